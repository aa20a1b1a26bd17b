"""The Lua that runs inside Redis: compare and set by version, and removal that lasts.

Each script begins with the same question: do these keys belong to who asks? The hash of views names the owner; without one, who asks
becomes it. To another one a script answers -1, and changes nothing.
"""

#: The last of KEYS is the hash of views, the first of ARGV who asks.
_OWNED = """
redis.call('HSETNX', KEYS[#KEYS], 'owner', ARGV[1])
if redis.call('HGET', KEYS[#KEYS], 'owner') ~= ARGV[1] then return -1 end
"""

#: KEYS values, revisions, a hash that names views, views. ARGV owner, view, ttl, channel, then (campaign, version, JSON) each.
#: A value that is gone although its version is held (evicted) is written again.
WRITE = f"""{_OWNED}
redis.call('HSETNX', KEYS[3], 'view:' .. ARGV[2], 1)
local written = 0
for i = 5, #ARGV, 3 do
  local held = redis.call('HGET', KEYS[2], ARGV[i])
  if not held or ARGV[i + 1] > held
      or (ARGV[i + 1] == held and redis.call('HEXISTS', KEYS[1], ARGV[i]) == 0) then
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 2])
    redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1])
    redis.call('PUBLISH', ARGV[4], ARGV[i + 2])
    written = written + 1
  end
end
if written > 0 then
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
  redis.call('PEXPIRE', KEYS[2], ARGV[3])
end
return written
"""

#: KEYS values, revisions, views. ARGV owner, ttl, then (campaign, version or '') each. The version stays, ended by '~': above
#: itself, so that a late write of it loses, and below every later one.
REMOVE = f"""{_OWNED}
for i = 3, #ARGV, 2 do
  redis.call('HDEL', KEYS[1], ARGV[i])
  local held = redis.call('HGET', KEYS[2], ARGV[i]) or ''
  if ARGV[i + 1] > held then held = ARGV[i + 1] end
  if held ~= '' and string.sub(held, -1) ~= '~' then
    redis.call('HSET', KEYS[2], ARGV[i], held .. '~')
  end
end
if redis.call('PTTL', KEYS[2]) == -1 then redis.call('PEXPIRE', KEYS[2], ARGV[2]) end
return 0
"""

#: KEYS hash, views. ARGV owner, ttl or 0, then (field, value) each.
SET_FIELDS = f"""{_OWNED}
for i = 3, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
if ARGV[2] ~= '0' then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 0
"""

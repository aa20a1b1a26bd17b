"""The Lua that runs inside Redis: compare and set by version, and removal that lasts."""

#: KEYS values, revisions, views. ARGV view, ttl, channel, then (campaign, version, JSON) each.
#: A value that is gone although its version is held (evicted) is written again.
WRITE = """
redis.call('HSETNX', KEYS[3], 'view:' .. ARGV[1], 1)
local written = 0
for i = 4, #ARGV, 3 do
  local held = redis.call('HGET', KEYS[2], ARGV[i])
  if not held or ARGV[i + 1] > held
      or (ARGV[i + 1] == held and redis.call('HEXISTS', KEYS[1], ARGV[i]) == 0) then
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 2])
    redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1])
    redis.call('PUBLISH', ARGV[3], ARGV[i + 2])
    written = written + 1
  end
end
if written > 0 then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  redis.call('PEXPIRE', KEYS[2], ARGV[2])
end
return written
"""

#: KEYS values, revisions. ARGV ttl, then (campaign, version or '') each. The version stays, ended by '~': above
#: itself, so that a late write of it loses, and below every later one.
REMOVE = """
for i = 2, #ARGV, 2 do
  redis.call('HDEL', KEYS[1], ARGV[i])
  local held = redis.call('HGET', KEYS[2], ARGV[i]) or ''
  if ARGV[i + 1] > held then held = ARGV[i + 1] end
  if held ~= '' and string.sub(held, -1) ~= '~' then
    redis.call('HSET', KEYS[2], ARGV[i], held .. '~')
  end
end
if redis.call('PTTL', KEYS[2]) == -1 then redis.call('PEXPIRE', KEYS[2], ARGV[1]) end
"""

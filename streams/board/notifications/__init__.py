"""Notifications: who is told of decisions that wait and of what was done, where, in which language, and that it was delivered.

What there is to say is pure (``notices``, ``wording``); deliveries run beside the board and never hold it up.
"""

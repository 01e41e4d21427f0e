-- Makes one message of the oldest few of a mailbox, so that they become one turn whoever takes it.
-- KEYS[1] mailbox, KEYS[2] lease
-- ARGV[1] who asks, ARGV[2] how many, ARGV[3] the one message (sealed)
-- returns 1, or 0 when the lease is somebody else's by now
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
redis.call('LPOP', KEYS[1], ARGV[2])
redis.call('LPUSH', KEYS[1], ARGV[3])
return 1

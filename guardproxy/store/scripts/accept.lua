-- Takes in one message of a webhook: known already? -> mailbox -> due. The 200 comes after this.
-- KEYS[1] seen mark, KEYS[2] mailbox, KEYS[3] due set
-- ARGV[1] mailbox member, ARGV[2] the message (sealed), ARGV[3] seconds to know it,
-- ARGV[4] seconds to wait for more before it is due
-- returns 1 when it is new, 0 when it was accepted before
if not redis.call('SET', KEYS[1], '1', 'NX', 'EX', ARGV[3]) then return 0 end
redis.call('RPUSH', KEYS[2], ARGV[2])
local t = redis.call('TIME')
local now = tonumber(t[1]) + tonumber(t[2]) / 1000000
redis.call('ZADD', KEYS[3], 'NX', string.format('%.6f', now + tonumber(ARGV[4])), ARGV[1])
return 1

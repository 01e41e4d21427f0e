-- Renews a lease, finishes the oldest message, or puts it off; only for the lease's owner.
-- KEYS[1] due set, KEYS[2] mailbox, KEYS[3] lease
-- ARGV[1] member, ARGV[2] who asks, ARGV[3] renew | finish | later, ARGV[4] seconds
-- returns 1, or 0 when the lease is somebody else's by now
if redis.call('GET', KEYS[3]) ~= ARGV[2] then return 0 end
local t = redis.call('TIME')
local now = tonumber(t[1]) + tonumber(t[2]) / 1000000
local at = string.format('%.6f', now + tonumber(ARGV[4]))
if ARGV[3] == 'renew' then
  redis.call('ZADD', KEYS[1], at, ARGV[1])
  redis.call('PEXPIRE', KEYS[3], math.floor(tonumber(ARGV[4]) * 1000))
  return 1
end
redis.call('DEL', KEYS[3])
if ARGV[3] == 'finish' then redis.call('LPOP', KEYS[2]) end
if redis.call('LLEN', KEYS[2]) == 0 then
  redis.call('ZREM', KEYS[1], ARGV[1])
else
  redis.call('ZADD', KEYS[1], at, ARGV[1])
end
return 1

-- What became of a try: arrived, to be tried again, or failed for good; then the next way is tried.
-- KEYS[1] deliveries to be made, KEYS[2] the delivery, KEYS[3] its case, KEYS[4] the next delivery
-- ARGV[1] id, ARGV[2] who, ARGV[3] done | later | failed, ARGV[4] seconds until the next try,
-- ARGV[5] the cause, ARGV[6] id of the next delivery or "", ARGV[7] its channel, ARGV[8] its what,
-- ARGV[9] its patience in seconds, ARGV[10] seconds the next one is kept, ARGV[11] seconds until it
-- is due
-- returns 1, or 0 when another worker has it by now
if redis.call('HGET', KEYS[2], 'worker') ~= ARGV[2] then return 0 end
if redis.call('HGET', KEYS[2], 'state') ~= 'due' then return 0 end
local t = redis.call('TIME')
local now = tonumber(t[1]) + tonumber(t[2]) / 1000000
redis.call('HSET', KEYS[2], 'lease', 0, 'cause', ARGV[5])
if ARGV[3] == 'later' then
  redis.call('ZADD', KEYS[1], string.format('%.6f', now + tonumber(ARGV[4])), ARGV[1])
  return 1
end
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('HSET', KEYS[2], 'state', ARGV[3])
if redis.call('EXISTS', KEYS[3]) == 1 and redis.call('HGET', KEYS[2], 'what') == 'case' then
  if ARGV[3] == 'done' then
    redis.call('HSET', KEYS[3], 'arrived', now)
  elseif ARGV[6] ~= '' then
    redis.call('HSET', KEYS[3], 'channel', ARGV[7])
  else
    redis.call('HSET', KEYS[3], 'undelivered', now)
  end
end
if ARGV[6] ~= '' and redis.call('EXISTS', KEYS[4]) == 0 then
  redis.call('HSET', KEYS[4], 'business', redis.call('HGET', KEYS[2], 'business'),
    'case', redis.call('HGET', KEYS[2], 'case'), 'channel', ARGV[7], 'what', ARGV[8],
    'state', 'due', 'tries', 0, 'lease', 0, 'until_', now + tonumber(ARGV[9]))
  redis.call('EXPIRE', KEYS[4], ARGV[10])
  redis.call('ZADD', KEYS[1], now + tonumber(ARGV[11]), ARGV[6])
end
return 1

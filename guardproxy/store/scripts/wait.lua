-- A case has arrived where people are: its conversation waits for one of them.
-- KEYS[1] conversation, KEYS[2] case
-- ARGV[1] the phases and what asking makes of them, as JSON; ARGV[2] seconds until the bot resumes,
-- ARGV[3] channel, ARGV[4] kind, ARGV[5] seconds in which somebody should answer, "" for none,
-- ARGV[6] life of the state
local phase = redis.call('HGET', KEYS[1], 'phase') or 'bot'
local t = redis.call('TIME')
local now = tonumber(t[1]) + tonumber(t[2]) / 1000000
redis.call('HSET', KEYS[2], 'channel', ARGV[3], 'kind', ARGV[4], 'sla', ARGV[5])
if phase ~= 'human' then
  redis.call('HSET', KEYS[1], 'phase', cjson.decode(ARGV[1])[phase], 'until_', now + tonumber(ARGV[2]))
  redis.call('EXPIRE', KEYS[1], ARGV[6])
end
return phase

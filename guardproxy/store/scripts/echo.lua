-- A person answered from the phone app: the bot is silent from here on, once per echo.
-- KEYS[1] seen mark, KEYS[2] conversation, KEYS[3] mark of a number that is also in the phone app
-- ARGV[1] seconds to know the echo, ARGV[2] the phases it may come in (comma list),
-- ARGV[3] the phase after it, ARGV[4] seconds until the bot resumes, ARGV[5] life of the state
-- returns 1 when it is new
if not redis.call('SET', KEYS[1], '1', 'NX', 'EX', ARGV[1]) then return 0 end
redis.call('SET', KEYS[3], '1', 'EX', ARGV[1])
local t = redis.call('TIME')
local now = tonumber(t[1]) + tonumber(t[2]) / 1000000
local phase = redis.call('HGET', KEYS[2], 'phase') or 'bot'
if string.find(',' .. ARGV[2] .. ',', ',' .. phase .. ',', 1, true) then
  redis.call('HSET', KEYS[2], 'phase', ARGV[3], 'until_', now + tonumber(ARGV[4]))
  redis.call('EXPIRE', KEYS[2], ARGV[5])
end
return 1

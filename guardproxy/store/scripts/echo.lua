-- Somebody beside the bot has the conversation, or gave it back: once for each event.
-- KEYS[1] seen mark, KEYS[2] conversation, KEYS[3] mark of a number that is also in the phone app,
-- KEYS[4] open cases
-- ARGV[1] seconds to know the event, ARGV[2] the phases it may come in (comma list),
-- ARGV[3] the phase after it, ARGV[4] seconds until the bot resumes, ARGV[5] life of the state,
-- ARGV[6] who: an open case is theirs now, or resolved when the bot has it again,
-- ARGV[7] the prefix of case keys, ARGV[8] "1": it came from the phone app
-- returns 1 when it is new
if not redis.call('SET', KEYS[1], '1', 'NX', 'EX', ARGV[1]) then return 0 end
if ARGV[8] == '1' then redis.call('SET', KEYS[3], '1', 'EX', ARGV[1]) end
local t = redis.call('TIME')
local now = tonumber(t[1]) + tonumber(t[2]) / 1000000
local phase = redis.call('HGET', KEYS[2], 'phase') or 'bot'
if not string.find(',' .. ARGV[2] .. ',', ',' .. phase .. ',', 1, true) then return 1 end
local open = redis.call('HGET', KEYS[2], 'case') or ''
local case = ARGV[7] .. open
local status = open ~= '' and redis.call('HGET', case, 'status')
redis.call('HSET', KEYS[2], 'phase', ARGV[3])
if ARGV[3] == 'bot' then
  if status then
    redis.call('HSET', case, 'status', 'resolved', 'by', ARGV[6], 'at', now)
    redis.call('ZREM', KEYS[4], open)
  end
  redis.call('HDEL', KEYS[2], 'until_', 'case', 'drift', 'offered')
else
  if status == 'open' then
    redis.call('HSET', case, 'status', 'taken', 'by', ARGV[6], 'at', now)
    redis.call('HSETNX', case, 'taken', now)
  end
  redis.call('HSET', KEYS[2], 'until_', now + tonumber(ARGV[4]))
end
redis.call('EXPIRE', KEYS[2], ARGV[5])
return 1

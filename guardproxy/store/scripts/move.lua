-- Moves an escalation, and the conversation it is about, from one state to the next.
-- KEYS[1] case, KEYS[2] open cases, KEYS[3] conversation
-- ARGV[1] case id, ARGV[2] the case's new status, ARGV[3] the phase it may be in (comma list),
-- ARGV[4] the new phase, ARGV[5] who, ARGV[6] seconds until the bot resumes,
-- ARGV[7] "1": also when another colleague has it
-- returns {"ok", phase before}, or what is against it: {"gone"}, {"resolved", by}, {"taken", by},
-- {"phase", phase}
if redis.call('EXISTS', KEYS[1]) == 0 then return {'gone'} end
local t = redis.call('TIME')
local now = tonumber(t[1]) + tonumber(t[2]) / 1000000
local status, by = unpack(redis.call('HMGET', KEYS[1], 'status', 'by'))
if status == 'resolved' then return {'resolved', by or ''} end
if status == 'taken' and by ~= ARGV[5] and ARGV[7] ~= '1' then return {'taken', by or ''} end
local phase = redis.call('HGET', KEYS[3], 'phase') or 'bot'
if not string.find(',' .. ARGV[3] .. ',', ',' .. phase .. ',', 1, true) then return {'phase', phase} end
redis.call('HSET', KEYS[1], 'status', ARGV[2], 'by', ARGV[5], 'at', now)
if ARGV[2] == 'taken' then redis.call('HSETNX', KEYS[1], 'taken', now) end
redis.call('HSET', KEYS[3], 'phase', ARGV[4])
if ARGV[4] == 'bot' then
  redis.call('HDEL', KEYS[3], 'until_')
else
  redis.call('HSET', KEYS[3], 'until_', now + tonumber(ARGV[6]))
end
if ARGV[2] == 'resolved' then
  redis.call('ZREM', KEYS[2], ARGV[1])
  -- the bot starts anew: what led here must not lead here again with the next word
  redis.call('HDEL', KEYS[3], 'case', 'drift', 'offered')
end
return {'ok', phase}

-- Moves an escalation, and the conversation it is about, from one state to the next.
-- KEYS[1] case, KEYS[2] open cases, KEYS[3] conversation
-- ARGV[1] case id, ARGV[2] the case's new status, ARGV[3] the phase it may be in (comma list),
-- ARGV[4] the new phase, ARGV[5] who, ARGV[6] seconds until the bot resumes
-- returns the phase before, or "" when there is no such case
if redis.call('EXISTS', KEYS[1]) == 0 then return '' end
local t = redis.call('TIME')
local now = tonumber(t[1]) + tonumber(t[2]) / 1000000
local phase = redis.call('HGET', KEYS[3], 'phase') or 'bot'
if not string.find(',' .. ARGV[3] .. ',', ',' .. phase .. ',', 1, true) then return '!' .. phase end
redis.call('HSET', KEYS[1], 'status', ARGV[2], 'by', ARGV[5], 'at', now)
redis.call('HSET', KEYS[3], 'phase', ARGV[4])
if ARGV[4] == 'bot' then
  redis.call('HDEL', KEYS[3], 'until_')
else
  redis.call('HSET', KEYS[3], 'until_', now + tonumber(ARGV[6]))
end
if ARGV[2] == 'resolved' then
  redis.call('ZREM', KEYS[2], ARGV[1])
  redis.call('HDEL', KEYS[3], 'case')
end
return phase

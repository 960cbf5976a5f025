-- A scorer's process ended amid a call for this entry alone: notes that.
-- ARGV: the scorer, index of the stream, entry id, what names the entry among strikes, the strike (JSON),
--       result TTL (s)
-- Strikes have a bound of their own: the delivery is not counted, but the entry stays one that was delivered before.
local stream, entry = STREAMS[tonumber(ARGV[2])], ARGV[3]
redis.call('RPUSH', STRIKES .. ARGV[4], ARGV[5])
redis.call('EXPIRE', STRIKES .. ARGV[4], ARGV[6])
local held = redis.pcall('XPENDING', stream, GROUP, entry, entry, 1, ARGV[1])
if held.err or #held == 0 then return end
local before = math.max(1, held[1][4] - 1)
redis.call('XCLAIM', stream, GROUP, ARGV[1], 0, entry, 'IDLE', held[1][3], 'RETRYCOUNT', before, 'JUSTID')

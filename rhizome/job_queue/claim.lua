-- Takes what waits in a lane, without blocking; a scorer that finds nothing is noted as listening.
-- ARGV: scorer, most single jobs, result TTL (s), milliseconds it will listen (0: it will not), lane
-- Returns one list of entries per stream: entry id, message, entry id, message, …
local lane, note_ms = tonumber(ARGV[5]), tonumber(ARGV[4])
local taken, total = claim(ARGV[1], tonumber(ARGV[2]), ARGV[3], lane)
if total == 0 and note_ms > 0 then note_listening(lane, ARGV[1], note_ms) end
return taken

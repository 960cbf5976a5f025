-- Rings for what is due: a bell may have been lost, and nobody rings for a delivery whose time comes.
-- ARGV: now (ms)
if redis.call('ZCOUNT', WEBHOOKS_DUE, '-inf', ARGV[1]) > 0 then ring_deliverer() end

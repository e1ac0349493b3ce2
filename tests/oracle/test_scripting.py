"""EVAL and its family, SCRIPT, and everything a script can see or do, beside the real server."""

from __future__ import annotations

import hashlib

import pytest

from tests.oracle.harness import Pair

# One script a line; `|` stands for the end of a line of Lua. None may crash redis-server: error({}) does.
CONVERSIONS = r"""
return {double = -0.0}
return tostring(-0.0)
return cjson.encode(-0.0)
return 1
return 1.9
return -1.9
return 1e300
return 0/0
return -0.5
return 9007199254740993
return 'text'
return ''
return true
return false
return nil
return
return {}
return {1, 2, {3, 'four', {}}}
return {1, nil, 3}
return {1, false, 3}
return {true, false}
return {ok = 'fine'}
return {ok = 'two\r\nlines'}
return {ok = 1}
return {err = 'ERR bad'}
return {err = 'bad'}
return {err = ''}
return {err = 'two\r\nlines'}
return {err = 1}
return {{ok = 'a'}, {err = 'ERR b'}, 3}
return {double = 3.25}
return {double = 1e300}
return {double = '1'}
return {map = {a = 1}}
return {map = {a = {map = {b = 2}}}}
return {map = 1}
return {set = {a = true}}
return {set = {a = 1, b = false}}
return {set = {}}
return {big_number = '12345678901234567890'}
return {big_number = 1}
return {verbatim_string = {format = 'txt', string = 'abc'}}
return {verbatim_string = {format = 'markdown', string = 'abc'}}
return {verbatim_string = {string = 'abc'}}
return {verbatim_string = {}}
return {err = 'ERR first', ok = 'second', double = 1}
return {ok = 'second', double = 1, map = {}}
return {[1] = 'a', [2] = 'b', [4] = 'd', x = 'y'}
return setmetatable({}, {__index = function() return 1 end})
return redis
return _G
return string
return redis.call
return coroutine.create(function() end)
return {redis.call, 1}
return KEYS
return ARGV
return {KEYS[1], ARGV[1]}
return 1, 2, 3
return {1, 2, 3, nil, 5}
return redis.setresp(3)
redis.setresp(3); return true
redis.setresp(3); return false
redis.setresp(3); return {true, false, nil}
redis.setresp(3); return nil
redis.setresp(3); return {map = {a = 1}}
redis.setresp(3); return {double = 0.1}
redis.setresp(2); return true
redis.setresp(3); redis.setresp(2); return true
"""

CALLS = r"""
return redis.call('set', 'k', 1)
return redis.call('get', 'k')
return redis.call('get', 'missing')
return {redis.call('get', 'missing')}
return type(redis.call('get', 'missing'))
redis.setresp(3); return type(redis.call('get', 'missing'))
return redis.call('set', 'k', 1.5)
return {redis.call('set', 'k', 1/3), redis.call('get', 'k')}
return {redis.call('set', 'k', 1e17), redis.call('get', 'k')}
return {redis.call('set', 'k', 123456789012345), redis.call('get', 'k')}
return {redis.call('set', 'k', 1e20), redis.call('get', 'k')}
return {redis.call('set', 'k', -1e100), redis.call('get', 'k')}
return {redis.call('set', 'k', 1/0), redis.call('get', 'k')}
return {redis.call('set', 'k', 0/0), redis.call('get', 'k')}
return {redis.call('set', 'k', -(0/0)), redis.call('get', 'k')}
return {redis.call('set', 'k', 2^53), redis.call('get', 'k')}
return redis.call('del', 'k')
return redis.call('rpush', 'l', 1, 2, 3)
return redis.call('lrange', 'l', 0, -1)
return redis.call('lrange', 'missing', 0, -1)
return #redis.call('lrange', 'l', 0, -1)
return redis.call('hset', 'h', 'a', 1)
return redis.call('hgetall', 'h')
redis.setresp(3); return redis.call('hgetall', 'h')
redis.setresp(3); return redis.call('hgetall', 'h').map.a
redis.setresp(3); return redis.call('sadd', 's', 'x')
redis.setresp(3); return redis.call('smembers', 's')
redis.setresp(3); return redis.call('smembers', 's').set.x
return redis.call('smembers', 's')
return redis.call('zadd', 'z', 1.5, 'm')
return redis.call('zscore', 'z', 'm')
redis.setresp(3); return redis.call('zscore', 'z', 'm')
redis.setresp(3); return redis.call('zscore', 'z', 'm').double * 2
redis.setresp(3); return redis.call('zrange', 'z', 0, -1, 'withscores')
return redis.call('zrange', 'z', 0, -1, 'withscores')
redis.setresp(3); return redis.call('zscore', 'z', 'missing')
redis.setresp(3); return {redis.call('zscore', 'z', 'missing')}
return redis.call('zmscore', 'z', 'm', 'n')
redis.setresp(3); return redis.call('zmscore', 'z', 'm', 'n')
return redis.call('mget', 'k', 'missing', 'l')
redis.setresp(3); return redis.call('mget', 'k', 'missing', 'l')
redis.setresp(3); return #redis.call('mget', 'missing', 'k')
return redis.call('ping')
return redis.call('ping').ok
return redis.call('PiNg', 'x')
return redis.call('type', 'l')
return redis.call('type', 'l')['ok']
return redis.call('exists', 'l')
return redis.call('echo', 'a\0b')
return redis.call('select', 1)
return redis.call('dbsize')
redis.call('select', 1); return redis.call('set', 'elsewhere', 1)
return redis.call('exists', 'elsewhere')
return redis.call('object', 'encoding', 'l')
return redis.call('incrbyfloat', 'f', 1.25)
return redis.call('incr', 'n')
return redis.call('getrange', 'k', 0, 0)
return redis.call('lpos', 'l', 'nothing')
return redis.call('xadd', 'x', '1-1', 'f', 'v')
return redis.call('xrange', 'x', '-', '+')
return redis.call('xread', 'block', 0, 'streams', 'x', '$')
return redis.call('xread', 'streams', 'x', '0')
redis.setresp(3); return redis.call('xread', 'streams', 'x', '0')
return redis.call('geoadd', 'g', 13.361389, 38.115556, 'p')
return redis.call('geopos', 'g', 'p', 'q')
redis.setresp(3); return redis.call('geopos', 'g', 'p')
return redis.call('publish', 'c', 'm')
return redis.call('expire', 'l', 100)
return redis.call('ttl', 'l')
return redis.call('sort', 'l', 'desc')
return redis.call('command', 'count') > 100
return type(redis.call('time')[1])
return redis.call('debug', 'sleep', 0)
return redis.call('lolwut', 'version', 1) ~= nil
"""

ERRORS = r"""
return redis.call()
return redis.pcall()
return redis.call(nil)
return redis.call({})
return redis.pcall({})
return redis.call('get', {})
return redis.call('get', true)
return redis.call('get', function() end)
return redis.call('foo')
return redis.pcall('foo')
return {redis.pcall('foo'), 1}
return redis.call('get')
return redis.call('get', 'a', 'b')
return redis.call('config', 'foo')
return redis.call('object', 'encoding')
return redis.call('eval', 'return 1', 0)
return redis.call('evalsha', 'x', 0)
return redis.call('script', 'flush')
return redis.call('blpop', 'x', 0)
return redis.call('brpoplpush', 'x', 'y', 0)
return redis.call('subscribe', 'x')
return redis.call('multi')
return redis.call('exec')
return redis.call('watch', 'x')
return redis.call('client', 'id')
return redis.call('auth', 'x')
return redis.call('hello')
return redis.call('config', 'get', 'maxmemory')
return redis.call('config')
return redis.call('monitor')
return redis.call('reset')
return redis.call('quit')
redis.call('set', 'k', 'v'); return redis.call('lpush', 'k', 1)
redis.call('set', 'k', 'v'); return redis.pcall('lpush', 'k', 1)
local e = redis.pcall('lpush', 'k', 1); return e.err
local e = redis.pcall('lpush', 'k', 1); return {e.ok == nil, e.ignore_error_stats_update}
local e = redis.pcall('foo'); e.extra = 1; return e
return {pcall(redis.call, 'lpush', 'k', 1)}
return {pcall(redis.call, 'foo')}
return {pcall(redis.pcall, 'foo')}
local ok, e = pcall(redis.call, 'foo'); return type(e)
return {xpcall(function() return redis.call('foo') end, function(e) return type(e) end)}
return {xpcall(function() return redis.call('foo') end, function(e) return e.err end)}
return {xpcall(function() return 1, 2 end, function(e) return e end)}
return {pcall(error)}
return {pcall(error, nil)}
return {pcall(error, 'x')}
return {pcall(error, 1)}
return {pcall(error, {err = 'abc'})}
return {pcall(error, {err = 1})}
return {pcall(error, {err = {}})}
return {pcall(error, {1, 2})}
return {pcall(error, true)}
return {pcall()}
return {pcall(1)}
return {pcall(nil)}
return {xpcall(nil, nil)}
return {xpcall(1)}
return {pcall(pcall, error, 'x')}
local ok, e = pcall(function() error('deep') end); return e
local ok, e = pcall(function() error('deep', 0) end); return e
local ok, e = pcall(function() error('deep', 2) end); return e
local ok, e = pcall(function() local a = nil; return a.b end); return e
local ok, e = pcall(function() return nosuch end); return e
local ok, e = pcall(function() nosuch = 1 end); return e
local ok, e = pcall(function() string.x = 1 end); return e
error('x')
error('x', 0)
error('x', 1)
error('x', 2)
error(1)
error()
error(nil)
error(true)
error({err = 'MY text'})
error({err = 'one'})
error({err = 'ERR with|line'})
error({err = 'x', line = 7, source = 'here'})
error({err = 'x', extra = 1})
error(redis.error_reply('CODE text'))
error(redis.pcall('foo'))
error('two\nlines')
local function f() error('inner') end; f()
local function f() error('inner', 2) end; f()
local function f() return redis.call('foo') end; return f()
local function f() redis.call('foo') end; f(); return 1
local x = 1|local y = 2|error('third')
local x = 1|return redis.call('foo')
local t = {}|return t.a.b
return nil + 1
return {} .. 'x'
return {} < {}
return 1 < 'x'
return #nil
return ('x')()
local a; a.b = 1
local a; a()
string.rep()
string.rep('x')
string.rep({}, 1)
('x'):bad()
string.bad()
redis.bad()
assert(false)
assert(nil, 'said so')
assert(false, {err = 'TABLE error'})
return {assert(1, 2)}
tostring()
tonumber()
return tonumber('0x10')
return tonumber('z', 36)
setmetatable(1, {})
setmetatable({}, 1)
setmetatable({})
getmetatable()
rawset({}, nil, 1)
rawset({}, 1)
rawget(1, 1)
rawset(1, 1, 1)
next({}, 'nokey')
next(1)
next()
pairs(nil)
pairs()
ipairs()
ipairs(1)
select(0)
return {select('#', 1, nil, nil)}
return {select(-1, 1, 2, 3)}
unpack()
local a = {} for i = 1, 7996 do a[i] = i end return redis.call('rpush', 'wide', unpack(a))
local a = {} for i = 1, 7999 do a[i] = i end return redis.pcall('rpush', 'wide', unpack(a))
local a = {} for i = 1, 8000 do a[i] = i end return redis.call('rpush', 'wide', unpack(a))
return {unpack({1, 2, 3}, 2)}
table.insert(nil, 1)
table.insert({}, 1, 2, 3)
table.insert({})
table.insert({}, 'x', 1)
table.insert()
return table.insert(nil, 1)
table.remove(nil)
table.concat({{}})
table.concat(1)
table.sort(1)
table.sort({3, 2, 'x'})
table.foreach(1, 1)
table.foreach({1}, nil)
table.setn({}, 1)
table.getn(1)
table.maxn()
math.floor('x')
math.floor()
math.random(0)
math.random(2, 1)
math.random(1, 2, 3)
math.random('x')
math.randomseed()
math.random({})
string.format('%d', 'x')
string.format('%y', 1)
string.format('%d')
string.char(-1)
string.gsub('x', '(', '')
string.gsub('x', 'x', {}, {})
string.find('x', '[a')
string.match('x', '%')
string.dump(1)
load('return 1')
load()
load(nil)
loadstring()
loadstring({})
return {loadstring('x x x')}
return {loadstring('return return', 'name')}
return {loadstring('return return', '=name')}
return {loadstring('return return', '@name')}
return {loadstring('\27Lua')}
return {load(function() return nil end)}
return {load(function() return {} end)}
return {load(function() error('reader') end)}
return {pcall(load, function() error('reader') end)}
return loadstring('return ...')(5)
return loadstring('return KEYS')() == KEYS
return loadstring('x = 1')()
return loadstring('return x')()
return loadstring('return x', 'chunk')()
return loadstring('return redis.call("foo")', '@chunk')()
return loadstring('\n\nerror("third")', '@chunk')()
return loadstring(string.dump(function() return 1 end))
coroutine.create(1)
coroutine.resume(1)
coroutine.wrap(1)
coroutine.yield(1)
coroutine.status(1)
return {coroutine.resume(coroutine.create(function(a) error('x') end), 1)}
return {coroutine.resume(coroutine.create(function(a) error({err = 'x'}) end), 1)}
return {coroutine.resume(coroutine.create(function(a) redis.call('foo') end), 1)}
return {coroutine.resume(coroutine.create(function(a) return a, coroutine.yield(2) end), 1)}
local c = coroutine.create(function() end); coroutine.resume(c); return {coroutine.resume(c)}
coroutine.wrap(function() error('x') end)()
coroutine.wrap(function() error({err = 'TABLE x'}) end)()
coroutine.wrap(function() redis.call('foo') end)()
coroutine.wrap(function() local a; a.b() end)()
local w = coroutine.wrap(function() return 1 end); w(); w()
local w = coroutine.wrap(function(...) coroutine.yield(...) return 'end' end); return {w(1), w(), pcall(w)}
return {coroutine.running()}
return coroutine.status(coroutine.create(function() end))
local t = {}; t[nil] = 1
local t = {}; t[0/0] = 1
return ('x'):rep(3)
return #('x'):rep(1000)
local function f() return f() + 1 end; return f()
local t = setmetatable({}, {__index = function(t, k) return t[k .. 'x'] end}); return t.a
return string.rep('x', -1)
local s = string.rep('a', 30); return s:find(string.rep('a?', 15) .. string.rep('a', 15))
return __redis__err__handler('x').err
return __redis__err__handler({err = 'y'}).err
return type(__redis__err__handler({}).source)
"""

SANDBOX = r"""
x = 1
function f() end
local function f() y = 1 end; f()
return x
return _G.x
return _G['x']
return rawget(_G, 'x')
_G.x = 1
_G = nil
KEYS = 1
ARGV = nil
redis = nil
redis.call = nil
redis.x = 1
return redis.x
string.x = 1
string.format = nil
return string.x
math.pi = 3
table.insert = nil
cjson.x = 1
cmsgpack.x = 1
struct.x = 1
bit.x = 1
coroutine.create = nil
rawset(_G, 'x', 1)
rawset(redis, 'call', 1)
rawset(string, 'x', 1)
rawset(getmetatable(''), '__index', nil)
setmetatable(_G, {})
setmetatable(_G, nil)
setmetatable(redis, {})
setmetatable(string, {})
return getmetatable(redis)
return getmetatable(string)
return type(getmetatable(_G))
return type(getmetatable(_G).__index)
return getmetatable(_G).x
return getmetatable(getmetatable(_G))
getmetatable(_G).__index = nil
getmetatable(_G).__newindex = nil
setmetatable(getmetatable(_G), {})
rawset(getmetatable(_G), '__index', nil)
getmetatable('').__index = nil
getmetatable('').x = 1
return type(getmetatable('').__index)
return getmetatable('').__index == string
return ('x').upper('y')
return getmetatable(1)
return getmetatable(nil)
return getmetatable({})
table.insert(redis, 1)
table.insert(_G, 1)
table.insert(_G, 1, 2)
table.remove(redis)
table.sort(redis)
return table.getn(redis)
return #redis
return table.concat(redis)
return {unpack(redis)}
return _G._G == _G
return _G.redis == redis
return redis == redis
return rawequal(_G, _G._G)
return rawget(redis, 'REPL_ALL')
return next({})
return type(next(_G))
return type(next(redis))
return next({5})
return {next({5})}
return {next({5}, 1)}
KEYS[1] = 'changed'; return KEYS
ARGV[5] = 1; return ARGV
table.insert(KEYS, 'more'); return KEYS
setmetatable(KEYS, {__index = function() return 'meta' end}); return KEYS[9]
return print
print('x')
return os
return io
return debug
return require
return module
return package
return dofile
return loadfile
return newproxy
return getfenv
return setfenv
return python
return rawlen
return unpack ~= nil
return _VERSION
return math.huge
return tostring(math.pi)
return type(cjson.null)
return cjson.null
return {1, cjson.null}
return tostring(cjson.null) == nil
return redis.REDIS_VERSION
return redis.REDIS_VERSION_NUM
return type(collectgarbage('count'))
return collectgarbage('bad')
return type(gcinfo())
return type(redis.call)
return type(string.format)
return type(redis)
local n = 0; for k in pairs(string) do n = n + 1 end; return n
local n = 0; for k, v in next, redis do n = n + 1 end; return n
local n = 0; table.foreach(math, function() n = n + 1 end); return n
local n = 0; for i, v in ipairs(redis) do n = n + 1 end; return n
local t = {}; for k, v in pairs(redis) do t[k] = v end; return t.REPL_ALL
local p = pairs; return type(p(string))
for k, v in pairs(redis) do redis[k] = nil end
for k, v in pairs(_G) do if k == 'x' then return 1 end end return 0
return string.gfind ~= nil
return math.mod(7, 3)
return table.getn({1, 2, 3})
return table.maxn({1, 2, [10] = 3})
local t = {3, 1, 2}; table.sort(t); return t
local t = {3, 1, 2}; table.sort(t, function(a, b) return a > b end); return t
local t = {}; table.insert(t, 'a'); table.insert(t, 1, 'b'); return t
local t = {1, 2, 3}; return {table.remove(t, 1), t}
return table.concat({1, 2, 3}, '-', 2, 3)
return string.format('%5.2f|%s|%q|%x|%d', 1.005, 'a', 'b\n', 255, 7.9)
return {string.find('hello world', 'o w')}
return {string.gsub('hello', 'l', 'L')}
return {string.byte('abc', 1, -1)}
return tostring(1e15)
return tostring(1e100)
return tostring(-0)
return 5 % 3 .. ''
return 2 ^ 10
math.randomseed(7); return {math.random(100), math.random(100), tostring(math.random()), math.random(5, 10)}
math.randomseed(0); return {math.random(1000000), math.random(1000000), math.random(1000000)}
math.randomseed(-5); return {math.random(1000000), math.random(-10, 10), tostring(math.random())}
math.randomseed(123456789); local t = {}; for i = 1, 30 do t[i] = math.random(2147483647) end; return t
math.randomseed(4294967297); return tostring(math.random())
math.randomseed(1.9); return {math.random(3.9), tostring(math.random())}
"""

API = r"""
return redis.error_reply('x')
return redis.error_reply('-x')
return redis.error_reply('MY err')
return redis.error_reply('-MY err')
return redis.error_reply('')
return redis.error_reply('-')
return redis.error_reply('a\r\n')
return redis.error_reply('a b\r\n')
return redis.error_reply()
return redis.error_reply({})
return redis.error_reply(1)
return redis.error_reply('a', 'b')
return redis.error_reply('x').err
return redis.error_reply('A b').err
return {redis.error_reply('A b')}
return redis.status_reply('x')
return redis.status_reply('')
return redis.status_reply('a b')
return redis.status_reply(1)
return redis.status_reply()
return redis.status_reply('x').ok
return redis.sha1hex('')
return redis.sha1hex('abc')
return redis.sha1hex('a\0b')
return redis.sha1hex(1)
return redis.sha1hex(1.5)
return redis.sha1hex({})
return redis.sha1hex(nil)
return redis.sha1hex()
return redis.sha1hex('a', 'b')
return redis.log()
return redis.log('a', 'b')
return redis.log(9, 'b')
return redis.log(-1, 'b')
return redis.log(redis.LOG_DEBUG, 'b')
return redis.log(0.9, 'b')
return redis.log('1', 'b')
return redis.log(0, {}, 1)
return redis.log(3)
return redis.setresp()
return redis.setresp(1)
return redis.setresp('3')
return redis.setresp('x')
return redis.setresp(4)
return redis.setresp(2.5)
return redis.setresp(2, 3)
return redis.setresp({})
return redis.set_repl()
return redis.set_repl(4)
return redis.set_repl(-1)
return redis.set_repl('x')
return redis.set_repl(redis.REPL_ALL)
return redis.set_repl(redis.REPL_NONE)
return select('#', pcall(table.insert, {}, 1))
return select('#', coroutine.resume(coroutine.create(function() end)))
return select('#', coroutine.wrap(function() end)())
return select('#', xpcall(function() end, error))
return {collectgarbage('stop'), collectgarbage('restart'), collectgarbage('setpause', 200)}
return {collectgarbage('setpause', 300), collectgarbage('setpause', 200), collectgarbage('setstepmul', 200)}
return {tostring(collectgarbage()), type(collectgarbage('count')), pcall(collectgarbage, 'x')}
return collectgarbage('nonsense')
return redis.replicate_commands()
return redis.breakpoint()
return redis.debug('x')
return redis.acl_check_cmd()
return redis.acl_check_cmd('get', 'x')
return redis.acl_check_cmd('GET', 'x')
return redis.acl_check_cmd('foo')
return redis.acl_check_cmd('get')
return redis.acl_check_cmd({})
return redis.acl_check_cmd('config', 'get', 'x')
return redis.acl_check_cmd('config', 'foo')
return redis.register_function('x', function() end)
return {redis.LOG_DEBUG, redis.LOG_VERBOSE, redis.LOG_NOTICE, redis.LOG_WARNING}
return {redis.REPL_NONE, redis.REPL_AOF, redis.REPL_SLAVE, redis.REPL_REPLICA, redis.REPL_ALL}
"""

SHEBANGS = [
    "#!lua\nreturn 1",
    "#!lua \nreturn 1",
    "#!lua flags=\nreturn 1",
    "#!lua flags=no-writes\nreturn redis.call('set', 'a', 1)",
    "#!lua flags=no-writes\nreturn redis.pcall('set', 'a', 1)",
    "#!lua flags=no-writes\nreturn redis.call('get', 'a')",
    "#!lua flags=no-writes\nreturn redis.call('publish', 'a', 1)",
    "#!lua flags=foo\nreturn 1",
    "#!lua flags=no-writes,foo\nreturn 1",
    "#!lua flags=no-writes,\nreturn 1",
    "#!lua flags=,no-writes\nreturn 1",
    "#!lua flags=NO-WRITES\nreturn 1",
    "#!lua foo=bar\nreturn 1",
    "#!lua name=x\nreturn 1",
    "#!lua flags\nreturn 1",
    "#!lua flags=no-writes flags=allow-oom\nreturn 1",
    "#!lua flags=no-writes,allow-oom,allow-stale,no-cluster,allow-cross-slot-keys\nreturn 1",
    "#!lua  flags=no-writes   \nreturn 1",
    "#!lua\tflags=no-writes\nreturn 1",
    "#!lua 'flags=no-writes'\nreturn 1",
    '#!lua "flags=no-writes"\nreturn 1',
    "#!lua 'flags\nreturn 1",
    "#!foo\nreturn 1",
    "#!LUA\nreturn 1",
    "#! lua\nreturn 1",
    "#!\nreturn 1",
    "#!lua",
    "#!",
    "#",
    "",
    "\n",
    " #!lua\nreturn 1",
    "#!lua\r\nreturn 1",
    "#!lua\nerror('second line')",
    "#!lua\n\nreturn redis.call('foo')",
    "#!lua\nreturn (",
]


def lines(table: str) -> list[str]:
    return [line.replace("|", "\n") for line in table.strip().split("\n")]


@pytest.mark.parametrize("table", ["CONVERSIONS", "CALLS", "ERRORS", "SANDBOX", "API"])
def test_scripts(pair: Pair, table: str) -> None:
    for body in lines(globals()[table]):
        pair.both("EVAL", body, 2, "key1", "key2", "arg1", "arg2")


LIBRARY = r"""
string.find
string.find 'a'
string.find 'a', '['
string.find 'a', '%'
string.find 'a', '(a'
string.find 'a', 'a)'
string.find 'a', 'a', {}
string.find 'a', '%f'
string.find 'a', '%ba'
string.find 'a', '(a)%2'
string.find 12, 2
string.find 'abc', 'b', '2'
string.find 'a.b', '.', 1, true
string.match 'a', 'b', 'x'
string.match 'abc', '()b()'
string.gmatch 'a'
string.gmatch 'a', {}
string.gsub 'a', 'a', true
string.gsub 'a', 'a', '%2'
string.gsub 'a', '(a', '%1'
string.gsub 'a', '(a', 'x'
string.gsub 'a', 'a', 'x', 'y'
string.gsub 'a', 'a', function() return {} end
string.gsub 'a', 'a', function() error('z') end
string.gsub 'a', 'a', function() error('z', 2) end
string.gsub 'a', 'a', {a = {}}
string.gsub 'hello world', 'o', '0', 1
string.gsub 'abc', '', '-'
string.rep 'x', {}
string.rep {}, 1
string.rep 'ab', 2.9
string.rep 'x', 2 ^ 32 + 3
string.rep '', 2 ^ 40
string.upper {}
string.lower
string.reverse 'abc'
string.format
string.format '%d', 'x'
string.format '%q', 'a\nb'
string.format '%y', 1
string.dump string.find
string.dump 5
table.concat {1, {}, 3}
table.concat {1, 2}, {}
table.concat {1, 2}, ',', 1, 5
table.insert {}, 1, 2, 3
table.insert {}, 'x', 1
table.remove {1}, {}
table.maxn 5
table.foreach {1}, 5
table.foreach {1}, function() error('q', 2) end
table.foreachi {1, 2}, function(k, v) return v end
table.sort {3, 1, 'x'}
table.sort {3, 1, 2}, 5
table.sort {5, 4, 3, 2, 1, 6, 7}, function() return true end
table.sort {3, 1, 2}, function() error('s', 2) end
table.sort {true, false}
next {}, 1
math.random 0
"""


SPELL = """
local function spell(...)
  local out = {}
  for i = 1, select('#', ...) do out[i] = tostring((select(i, ...))) end
  return out
end
"""


def test_errors_name_functions_as_they_were_called(pair: Pair) -> None:
    for line in lines(LIBRARY):
        function, _, arguments = line.partition(" ")
        calls = [
            f"pcall(function() return {function}({arguments}) end)",
            f"pcall({', '.join(filter(None, (function, arguments)))})",
            f"pcall(function() local other = {function} local x = other({arguments}) end)",
        ]
        if function.startswith("string.") and arguments.startswith("'"):
            subject, _, rest = arguments.partition(", ")
            calls.append(f"pcall(function() return ({subject}):{function[7:]}({rest}) end)")
        for call in calls:
            pair.both("EVAL", f"{SPELL} return spell({call})", 0)
        pair.both("EVAL", f"local x = {function}({arguments})", 0)


@pytest.mark.parametrize("body", SHEBANGS)
def test_shebang(pair: Pair, body: str) -> None:
    pair.both("EVAL", body, 0)
    pair.both("EVAL_RO", body, 0)
    pair.both("SCRIPT", "LOAD", body)
    pair.both("EVALSHA", hashlib.sha1(body.encode()).hexdigest(), 0)
    pair.both("EVALSHA_RO", hashlib.sha1(body.encode()).hexdigest(), 0)


GLOBALS = """
local found, seen = {}, {[redis] = true}
local function walk(t, path)
  if seen[t] and t ~= redis then return end
  seen[t] = true
  for name, value in pairs(t) do
    local line = path .. tostring(name) .. ' ' .. type(value)
    if type(value) == 'number' or type(value) == 'string' then line = line .. ' ' .. tostring(value) end
    found[#found + 1] = line
    if type(value) == 'table' and value ~= redis then walk(value, path .. tostring(name) .. '.') end
  end
end
walk(_G, '')
walk(redis, 'redis.')
walk(getmetatable(_G), 'meta.')
walk(getmetatable(''), 'string meta.')
table.sort(found)
return found
"""


def test_globals_are_those_of_the_real_server(pair: Pair) -> None:
    oracle, kvcore = ({line.decode() for line in reply.native()} for reply in pair.ask("EVAL", GLOBALS, 1, "k", "a"))
    assert kvcore == oracle | {"server table", "keydb table"}


def test_xread_in_a_script_may_not_wait(pair: Pair) -> None:
    pair.both("EVAL", "return redis.call('XRead', 'block', 0, 'streams', 'x', '$')", 0)
    pair.both("EVAL", "return redis.call('xreadgroup', 'group', 'g', 'c', 'block', 0, 'streams', 'x', '>')", 0)

-- JSON as the cjson library of redis-server 7.0.15 (lua-cjson 2.1.0) reads and writes it.
--
-- Results, error texts and positions are that library's, byte for byte, its tolerance included: hexadecimal numbers,
-- `inf` and `nan`, raw control characters inside strings. Iteration is raw: no metamethod of a script runs in here.

local support = ...
local fail, rethrow, scan = support.fail, support.rethrow, support.scan
local check_string, check_int32 = support.check_string, support.check_int32
local next, pcall, rawget, select, tonumber, type = next, pcall, rawget, select, tonumber, type
local byte, char, find, format = string.byte, string.char, string.find, string.format
local gsub, lower, match, sub = string.gsub, string.lower, string.match, string.sub
local concat = table.concat
local floor = math.floor
local getmetatable, newproxy = getmetatable, newproxy

local INT_MAX = 2147483647
local HUGE = math.huge

-- Slots a C function may use on the interpreter's stack. The original meets this limit, not its own, when a script
-- allows more nesting than about 8000; so do we.
local C_STACK = 8000

local null = newproxy(true)
do
  local meta = getmetatable(null)
  meta.__tostring = function()
    return 'userdata: (nil)'
  end
  meta.__metatable = false
end

-- Encoding

local escapes = { ['"'] = '\\"', ['\\'] = '\\\\', ['/'] = '\\/' }
for code = 0, 31 do
  escapes[char(code)] = format('\\u%04x', code)
end
escapes['\127'] = '\\u007f'
escapes['\b'], escapes['\t'], escapes['\n'], escapes['\f'], escapes['\r'] = '\\b', '\\t', '\\n', '\\f', '\\r'

local function quote(text)
  if #text > support.PIECE then
    local parts = {}
    for at = 1, #text, support.PIECE do
      parts[#parts + 1] = gsub(sub(text, at, at + support.PIECE - 1), '[%c"\\/]', escapes)
    end
    text = concat(parts)
  elseif find(text, '[%c"\\/]') then
    text = gsub(text, '[%c"\\/]', escapes)
  end
  return '"' .. text .. '"'
end

local function number_text(config, number)
  if number ~= number or number == HUGE or number == -HUGE then
    local mode = config.encode_invalid
    if mode == 'off' then
      fail('Cannot serialise number: must not be NaN or Inf')
    elseif mode == 'null' then
      return 'null'
    elseif number ~= number then
      return 'nan'
    end
  end
  return format(config.number_format, number)
end

-- Return the length of the array that a table is, or nil if it is an object.
local function array_length(config, value)
  local longest, items = 0, 0
  local key = next(value)
  while key ~= nil do
    if type(key) ~= 'number' or key < 1 or floor(key) ~= key then
      return nil
    end
    if key > longest then
      -- A key past the range of a C int wraps to the smallest one.
      longest = key <= INT_MAX and key or -INT_MAX - 1
    end
    items = items + 1
    key = next(value, key)
  end
  if config.sparse_ratio > 0 and longest > items * config.sparse_ratio and longest > config.sparse_safe then
    if not config.sparse_convert then
      fail('Cannot serialise table: excessively sparse array')
    end
    return nil
  end
  return longest > 0 and longest or nil
end

-- Append the text of `value` to `out`, whose last index is `count`; return the new one. `depth` is the nesting
-- around the value and `used` what the original has on its stack.
local function append(config, out, count, value, depth, used)
  local kind = type(value)
  if kind == 'string' then
    out[count + 1] = quote(value)
    return count + 1
  elseif kind == 'number' then
    out[count + 1] = number_text(config, value)
    return count + 1
  elseif kind == 'boolean' then
    out[count + 1] = value and 'true' or 'false'
    return count + 1
  elseif kind == 'nil' or value == null then
    out[count + 1] = 'null'
    return count + 1
  elseif kind ~= 'table' then
    fail('Cannot serialise ' .. kind .. ': type not supported')
  end
  depth = depth + 1
  if depth > config.encode_depth or used + 3 > C_STACK then
    fail(format('Cannot serialise, excessive nesting (%d)', depth))
  end
  local length = array_length(config, value)
  if length then
    local before = '['
    for i = 1, length do
      out[count + 1] = before
      count = append(config, out, count + 1, rawget(value, i), depth, used + 1)
      before = ','
    end
    out[count + 1] = ']'
    return count + 1
  end
  local before = '{'
  for key, item in next, value do
    local key_kind = type(key)
    if key_kind == 'string' then
      out[count + 1] = before .. quote(key) .. ':'
    elseif key_kind == 'number' then
      out[count + 1] = before .. '"' .. number_text(config, key) .. '":'
    else
      fail('Cannot serialise ' .. (key == null and 'userdata' or key_kind) .. ': table key must be a number or string')
    end
    count = append(config, out, count + 1, item, depth, used + 2)
    before = ','
  end
  out[count + 1] = before == '{' and '{}' or '}'
  return count + 1
end

local function encode(config, present, value)
  if present ~= 1 then
    fail('expected 1 argument', 1)
  end
  local out = {}
  return concat(out, '', 1, append(config, out, 0, value, 0, 1))
end

-- Decoding

local unescapes =
  { ['"'] = '"', ['\\'] = '\\', ['/'] = '/', b = '\b', f = '\f', n = '\n', r = '\r', t = '\t' }

local function utf8(code)
  if code < 0x80 then
    return char(code)
  elseif code < 0x800 then
    return char(0xC0 + floor(code / 64), 0x80 + code % 64)
  elseif code < 0x10000 then
    return char(0xE0 + floor(code / 4096), 0x80 + floor(code / 64) % 64, 0x80 + code % 64)
  end
  return char(0xF0 + floor(code / 262144), 0x80 + floor(code / 4096) % 64, 0x80 + floor(code / 64) % 64, 0x80 + code % 64)
end

-- Read the escape \uXXXX, or a pair of them that stands for one character; return its text and the position behind.
local function unicode_escape(text, at)
  local digits = match(text, '^%x%x%x%x', at + 2)
  if not digits then
    return nil
  end
  local code = tonumber(digits, 16)
  if code < 0xD800 or code > 0xDFFF then
    return utf8(code), at + 6
  end
  local low = match(text, '^\\u(%x%x%x%x)', at + 6)
  low = low and tonumber(low, 16)
  if code >= 0xDC00 or not low or low < 0xDC00 or low > 0xDFFF then
    return nil
  end
  return utf8((code - 0xD800) * 1024 + (low - 0xDC00) + 0x10000), at + 12
end

-- Read the string whose opening quote is at `at`. Return it and the position behind; or nil, the error and where.
local function read_string(text, at)
  at = at + 1
  local stop = scan(text, '["\\%z]', at)
  if stop and byte(text, stop) == 34 then
    return sub(text, at, stop - 1), stop + 1
  end
  local parts, count = {}, 0
  while stop do
    parts[count + 1] = sub(text, at, stop - 1)
    count = count + 1
    local mark = byte(text, stop)
    if mark == 34 then
      return concat(parts, '', 1, count), stop + 1
    elseif mark == 0 then
      return nil, 'unexpected end of string', stop
    end
    local letter = sub(text, stop + 1, stop + 1)
    local piece = unescapes[letter]
    if piece then
      at = stop + 2
    elseif letter == 'u' then
      piece, at = unicode_escape(text, stop)
      if not piece then
        return nil, 'invalid unicode escape code', stop
      end
    else
      return nil, 'invalid escape code', stop
    end
    count = count + 1
    parts[count] = piece
    stop = scan(text, '["\\%z]', at)
  end
  return nil, 'unexpected end of string', #text + 1
end

-- Say whether a number is one that only the tolerant reader takes.
local function is_invalid_number(text, at)
  if byte(text, at) == 43 then -- '+'
    return true
  end
  if byte(text, at) == 45 then -- '-'
    at = at + 1
  end
  if byte(text, at) == 48 then -- '0'
    return find(text, '^[xX0-9]', at + 1) ~= nil
  end
  local word = lower(sub(text, at, at + 2))
  return word == 'inf' or word == 'nan'
end

-- Read the longest number at `at`, as strtod does; return it and the position behind, or nil.
local function read_number(text, at)
  local start = match(text, '^[-+]?()', at)
  local first, stop = find(text, '^%d+', start)
  if first then
    if byte(text, start) == 48 and find(text, '^[xX]', start + 1) then
      local behind = match(text, '^%x+%.?%x*()', start + 2) or match(text, '^%.%x+()', start + 2)
      if behind then
        behind = match(text, '^[pP][-+]?%d+()', behind) or behind
        return tonumber(sub(text, at, behind - 1)), behind
      end
      return tonumber(sub(text, at, start)), start + 1
    end
    stop = match(text, '^%.%d*()', stop + 1) or stop + 1
  else
    stop = match(text, '^%.%d+()', start)
  end
  if stop then
    stop = match(text, '^[eE][-+]?%d+()', stop) or stop
    return tonumber(sub(text, at, stop - 1)), stop
  end
  local sign = byte(text, at) == 45 and -1 or 1
  local word = lower(sub(text, start, start + 7))
  if word == 'infinity' then
    return sign * HUGE, start + 8
  elseif sub(word, 1, 3) == 'inf' then
    return sign * HUGE, start + 3
  elseif sub(word, 1, 3) == 'nan' then
    return tonumber(sub(text, at, start + 2)), match(text, '^%([%w_]*%)()', start + 3) or start + 3
  end
  return nil
end

local function skip_space(text, at)
  return scan(text, '[^ \t\n\r]', at) or #text + 1
end

local token_names = {
  ['{'] = 'T_OBJ_BEGIN',
  ['}'] = 'T_OBJ_END',
  ['['] = 'T_ARR_BEGIN',
  [']'] = 'T_ARR_END',
  [':'] = 'T_COLON',
  [','] = 'T_COMMA',
  [''] = 'T_END',
  ['\0'] = 'T_END',
}

-- Fail because of the token at `at`, which is not what the grammar wants there.
local function unexpected(config, wanted, text, at)
  local first = sub(text, at, at)
  local found = token_names[first]
  if not found then
    found = 'invalid token'
    if first == '"' then
      local value, problem, where = read_string(text, at)
      if value then
        found = 'T_STRING'
      else
        found, at = problem, where
      end
    elseif find(text, '^[-%d]', at) then
      if not config.decode_invalid and is_invalid_number(text, at) or not read_number(text, at) then
        found = 'invalid number'
      else
        found = 'T_NUMBER'
      end
    elseif find(text, '^true', at) or find(text, '^false', at) then
      found = 'T_BOOLEAN'
    elseif find(text, '^null', at) then
      found = 'T_NULL'
    elseif config.decode_invalid and find(text, '^[+iInN]', at) and is_invalid_number(text, at) then
      found = read_number(text, at) and 'T_NUMBER' or 'invalid number'
    end
  end
  fail(format('Expected %s but found %s at character %d', wanted, found, at))
end

-- Read the scalar at `at`; return it and the position behind.
local function read_scalar(config, text, at)
  local first = byte(text, at)
  if first == 34 then
    local value, behind = read_string(text, at)
    if value then
      return value, behind
    end
  elseif first == 45 or (first and first >= 48 and first <= 57) then
    if config.decode_invalid or not is_invalid_number(text, at) then
      local value, behind = read_number(text, at)
      if value then
        return value, behind
      end
    end
  elseif find(text, '^true', at) then
    return true, at + 4
  elseif find(text, '^false', at) then
    return false, at + 5
  elseif find(text, '^null', at) then
    return null, at + 4
  elseif config.decode_invalid and find(text, '^[+iInN]', at) and is_invalid_number(text, at) then
    local value, behind = read_number(text, at)
    if value then
      return value, behind
    end
  end
  unexpected(config, 'value', text, at)
end

local read_value

local function read_object(config, text, at, depth, used)
  local object = {}
  at = skip_space(text, at)
  if byte(text, at) == 125 then -- '}'
    return object, at + 1
  end
  while true do
    local key, behind
    if byte(text, at) == 34 then
      key, behind = read_string(text, at)
    end
    if not key then
      unexpected(config, 'object key string', text, at)
    end
    at = skip_space(text, behind)
    if byte(text, at) ~= 58 then -- ':'
      unexpected(config, 'colon', text, at)
    end
    object[key], at = read_value(config, text, skip_space(text, at + 1), depth, used + 2)
    at = skip_space(text, at)
    local mark = byte(text, at)
    if mark == 125 then
      return object, at + 1
    elseif mark ~= 44 then -- ','
      unexpected(config, 'comma or object end', text, at)
    end
    at = skip_space(text, at + 1)
  end
end

local function read_array(config, text, at, depth, used)
  local array, count = {}, 0
  at = skip_space(text, at)
  if byte(text, at) == 93 then -- ']'
    return array, at + 1
  end
  while true do
    count = count + 1
    array[count], at = read_value(config, text, at, depth, used + 1)
    at = skip_space(text, at)
    local mark = byte(text, at)
    if mark == 93 then
      return array, at + 1
    elseif mark ~= 44 then
      unexpected(config, 'comma or array end', text, at)
    end
    at = skip_space(text, at + 1)
  end
end

-- Read the value at `at`; return it and the position behind.
function read_value(config, text, at, depth, used)
  local first = byte(text, at)
  if first ~= 123 and first ~= 91 then
    return read_scalar(config, text, at)
  end
  depth = depth + 1
  if depth > config.decode_depth or used + (first == 123 and 3 or 2) > C_STACK then
    fail(format('Found too many nested data structures (%d) at character %d', depth, at))
  end
  local value, behind
  if first == 123 then
    value, behind = read_object(config, text, at + 1, depth, used)
  else
    value, behind = read_array(config, text, at + 1, depth, used)
  end
  return value, behind
end

local function decode(config, present, text)
  if present ~= 1 then
    fail('expected 1 argument', 1)
  end
  text = check_string(text, 1, true)
  if #text >= 2 and find(sub(text, 1, 2), '%z') then
    fail('JSON parser does not support UTF-16 or UTF-32')
  end
  local value, at = read_value(config, text, skip_space(text, 1), 0, 1)
  at = skip_space(text, at)
  if at <= #text and byte(text, at) ~= 0 then
    unexpected(config, 'the end', text, at)
  end
  return value
end

-- Settings: each function takes new values, nil to leave one as it is, and returns the present ones.

local function check_count(present, most)
  if present > most then
    fail('found too many arguments', most + 1)
  end
end

local function integer_option(config, name, value, argument, lowest, highest)
  if value ~= nil then
    value = check_int32(value, argument, true)
    if value < lowest or value > highest then
      fail(format('expected integer between %d and %d', lowest, highest), 1)
    end
    config[name] = value
  end
  return config[name]
end

local function switch_option(config, name, value, argument)
  if value ~= nil then
    if type(value) ~= 'boolean' then
      local word = check_string(value, argument, true)
      if word ~= 'on' and word ~= 'off' then
        fail(format("invalid option '%s'", word), argument)
      end
      value = word == 'on'
    end
    config[name] = value
  end
  return config[name]
end

local function encode_sparse_array(config, present, convert, ratio, safe)
  check_count(present, 3)
  switch_option(config, 'sparse_convert', convert, 1)
  integer_option(config, 'sparse_ratio', ratio, 2, 0, INT_MAX)
  integer_option(config, 'sparse_safe', safe, 3, 0, INT_MAX)
  return config.sparse_convert, config.sparse_ratio, config.sparse_safe
end

local function encode_max_depth(config, present, depth)
  check_count(present, 1)
  return integer_option(config, 'encode_depth', depth, 1, 1, INT_MAX)
end

local function decode_max_depth(config, present, depth)
  check_count(present, 1)
  return integer_option(config, 'decode_depth', depth, 1, 1, INT_MAX)
end

local function encode_number_precision(config, present, digits)
  check_count(present, 1)
  digits = integer_option(config, 'precision', digits, 1, 1, 14)
  config.number_format = format('%%.%dg', digits)
  return digits
end

local function encode_keep_buffer(config, present, keep)
  check_count(present, 1)
  return switch_option(config, 'keep_buffer', keep, 1)
end

local function encode_invalid_numbers(config, present, mode)
  check_count(present, 1)
  if mode ~= nil then
    if type(mode) == 'boolean' then
      mode = mode and 'on' or 'off'
    else
      mode = check_string(mode, 1, true)
      if mode ~= 'off' and mode ~= 'on' and mode ~= 'null' then
        fail(format("invalid option '%s'", mode), 1)
      end
    end
    config.encode_invalid = mode
  end
  mode = config.encode_invalid
  if mode == 'null' then
    return mode
  end
  return mode == 'on'
end

local function decode_invalid_numbers(config, present, allow)
  check_count(present, 1)
  return switch_option(config, 'decode_invalid', allow, 1)
end

-- In the original's order: it shows when a script iterates over the library.
local bodies = {
  { 'encode', encode },
  { 'decode', decode },
  { 'encode_sparse_array', encode_sparse_array },
  { 'encode_max_depth', encode_max_depth },
  { 'decode_max_depth', decode_max_depth },
  { 'encode_number_precision', encode_number_precision },
  { 'encode_keep_buffer', encode_keep_buffer },
  { 'encode_invalid_numbers', encode_invalid_numbers },
  { 'decode_invalid_numbers', decode_invalid_numbers },
}

-- Expose a body, bound to the settings of one library.
local function expose(body, config)
  return function(...)
    local done, first, second, third = pcall(body, config, select('#', ...), ...)
    if not done then
      rethrow(first)
    end
    if third ~= nil then
      return first, second, third
    end
    return first
  end
end

-- Make a library of its own settings.
local function new()
  local config = {
    sparse_convert = false,
    sparse_ratio = 2,
    sparse_safe = 10,
    encode_depth = 1000,
    decode_depth = 1000,
    keep_buffer = true, -- the original's promise to reuse memory: kept as a setting, nothing to do for it here
    precision = 14,
    number_format = '%.14g',
    encode_invalid = 'off',
    decode_invalid = true,
  }
  local library = {}
  for i = 1, #bodies do
    library[bodies[i][1]] = expose(bodies[i][2], config)
  end
  library.new = new
  library.null = null
  library._NAME = 'cjson'
  library._VERSION = '2.1.0'
  return library
end

return new()

-- MessagePack as the cmsgpack library of redis-server 7.0.15 (0.4.0) reads and writes it.
--
-- Its habits are kept: an unsigned 64-bit integer is read as a signed one, tables nested deeper than 16 are packed as
-- nil, and what would overflow the stack of a C function is refused with the original's words.

local support, numbers = ...
local fail, rethrow = support.fail, support.rethrow
local check_string, check_integer, int32 = support.check_string, support.check_integer, support.int32
local next, pcall, rawget, select, type = next, pcall, rawget, select, type
local byte, char, format, sub = string.byte, string.char, string.format, string.sub
local concat, unpack = table.concat, unpack
local floor = math.floor
local halves, pack4, unpack4 = numbers.halves, numbers.pack4, numbers.unpack4
local pack_float, pack_double = numbers.pack_float, numbers.pack_double
local unpack_float, unpack_double = numbers.unpack_float, numbers.unpack_double

local MAX_NESTING = 16

-- Slots that a C function may use on the interpreter's stack: the original stops there.
local C_STACK = 8000

-- Packing

-- Return the bytes of `code` followed by an unsigned integer of 2 bytes.
local function code_and_2(code, integer)
  return char(code, floor(integer / 256), integer % 256)
end

local function pack_integer(integer)
  if integer >= 0 then
    if integer <= 127 then
      return char(integer)
    elseif integer <= 0xFF then
      return char(0xCC, integer)
    elseif integer <= 0xFFFF then
      return code_and_2(0xCD, integer)
    elseif integer <= 0xFFFFFFFF then
      return '\206' .. pack4(integer)
    end
    local high, low = halves(integer)
    return '\207' .. pack4(high) .. pack4(low)
  elseif integer >= -32 then
    return char(256 + integer)
  elseif integer >= -128 then
    return char(0xD0, 256 + integer)
  elseif integer >= -32768 then
    return code_and_2(0xD1, 65536 + integer)
  elseif integer >= -2147483648 then
    return '\210' .. pack4(4294967296 + integer)
  end
  local high, low = halves(integer)
  return '\211' .. pack4(high) .. pack4(low)
end

local function pack_number(number)
  if number >= -9223372036854775808 and number < 9223372036854775808 and floor(number) == number then
    return pack_integer(number)
  end
  local single = pack_float(number)
  if unpack_float(single, 1) == number then
    return '\202' .. single
  end
  return '\203' .. pack_double(number)
end

local function string_header(length)
  if length < 32 then
    return char(0xA0 + length)
  elseif length <= 0xFF then
    return char(0xD9, length)
  elseif length <= 0xFFFF then
    return code_and_2(0xDA, length)
  end
  return '\219' .. pack4(length)
end

-- Return the header of an array (`few` 0x90, `many` 0xDC) or map (0x80, 0xDE) of `length` items.
local function container_header(length, few, many)
  if length <= 15 then
    return char(few + length)
  elseif length <= 0xFFFF then
    return code_and_2(many, length)
  end
  return char(many + 1) .. pack4(length)
end

-- Return how many entries a table has, and whether their keys are 1 to that.
local function measure(value)
  local entries, is_array, longest = 0, true, 0
  local key = next(value)
  while key ~= nil do
    if is_array then
      if type(key) ~= 'number' or key < 1 or floor(key) ~= key then
        is_array = false
      elseif key > longest then
        longest = key
      end
    end
    entries = entries + 1
    key = next(value, key)
  end
  return entries, is_array and longest == entries
end

-- Append the pieces of `value` to `out`, whose last index is `count`; return the new one. `used` is what the
-- original has on its stack.
local function append(out, count, value, depth, used)
  local kind = type(value)
  count = count + 1
  if kind == 'string' then
    out[count] = string_header(#value)
    out[count + 1] = value
    return count + 1
  elseif kind == 'number' then
    out[count] = pack_number(value)
    return count
  elseif kind == 'boolean' then
    out[count] = value and '\195' or '\194'
    return count
  elseif kind ~= 'table' or depth == MAX_NESTING then
    out[count] = '\192'
    return count
  end
  if used + 2 > C_STACK then
    fail('stack overflow (in function table_is_an_array)')
  end
  local entries, is_array = measure(value)
  if is_array then
    out[count] = container_header(entries, 0x90, 0xDC)
    for i = 1, entries do
      count = append(out, count, rawget(value, i), depth + 1, used + 1)
    end
    return count
  end
  out[count] = container_header(entries, 0x80, 0xDE)
  for key, item in next, value do
    count = append(out, count, key, depth + 1, used + 3)
    count = append(out, count, item, depth + 1, used + 2)
  end
  return count
end

local function pack_all(present, ...)
  if present == 0 then
    fail('MessagePack pack needs input.', 0)
  elseif 2 * present > C_STACK then
    fail('Too many arguments for MessagePack pack.', 0)
  end
  local values = { ... }
  local out, count = {}, 0
  for i = 1, present do
    count = append(out, count, values[i], 0, present + i)
  end
  return concat(out, '', 1, count)
end

-- Unpacking. A reader takes the position behind its code byte and returns a value and the position behind that.

local function need(text, at, length)
  if at + length > #text + 1 then
    fail('Missing bytes in input.')
  end
end

-- Read an unsigned integer of 1, 2 or 4 bytes.
local function read_unsigned(text, at, size)
  need(text, at, size)
  if size == 1 then
    return byte(text, at)
  elseif size == 2 then
    local high, low = byte(text, at, at + 1)
    return high * 256 + low
  end
  return unpack4(text, at)
end

local function read_signed(text, at, size)
  local integer = read_unsigned(text, at, size)
  local limit = 2 ^ (8 * size - 1)
  return integer >= limit and integer - 2 * limit or integer
end

local function read_int64(text, at)
  need(text, at, 8)
  local high, low = unpack4(text, at), unpack4(text, at + 4)
  if high >= 2147483648 then
    high = high - 4294967296
  end
  return high * 4294967296 + low
end

local read_value

local function read_string(text, at, length)
  need(text, at, length)
  return sub(text, at, at + length - 1), at + length
end

local function read_array(text, at, length, used)
  if used + 2 > C_STACK then
    fail('stack overflow (in function mp_decode_to_lua_array)')
  end
  local array = {}
  for i = 1, length do
    array[i], at = read_value(text, at, used + 2)
  end
  return array, at
end

local function read_map(text, at, length, used)
  local map = {}
  for _ = 1, length do
    local key, value
    key, at = read_value(text, at, used + 1)
    value, at = read_value(text, at, used + 2)
    if key == nil or key ~= key then
      fail(key == nil and 'table index is nil' or 'table index is NaN', nil, true)
    end
    map[key] = value
  end
  return map, at
end

-- Read the value whose code byte, of 0xC0 to 0xDF, is before `at`. Binary strings and extensions came after this library.
local function read_coded(text, code, at, used)
  if code == 0xC0 then
    return nil, at
  elseif code == 0xC2 or code == 0xC3 then
    return code == 0xC3, at
  elseif code == 0xCA then
    need(text, at, 4)
    return unpack_float(text, at), at + 4
  elseif code == 0xCB then
    need(text, at, 8)
    return unpack_double(text, at), at + 8
  elseif code >= 0xCC and code <= 0xCE then
    local size = 2 ^ (code - 0xCC)
    return read_unsigned(text, at, size), at + size
  elseif code == 0xCF or code == 0xD3 then
    return read_int64(text, at), at + 8
  elseif code >= 0xD0 and code <= 0xD2 then
    local size = 2 ^ (code - 0xD0)
    return read_signed(text, at, size), at + size
  end
  local value, behind
  if code >= 0xD9 and code <= 0xDB then
    local size = 2 ^ (code - 0xD9)
    value, behind = read_string(text, at + size, read_unsigned(text, at, size))
  elseif code == 0xDC or code == 0xDD then
    local size = code == 0xDC and 2 or 4
    value, behind = read_array(text, at + size, read_unsigned(text, at, size), used)
  elseif code == 0xDE or code == 0xDF then
    local size = code == 0xDE and 2 or 4
    value, behind = read_map(text, at + size, read_unsigned(text, at, size), used)
  else
    fail('Bad data format in input.')
  end
  return value, behind
end

-- Read the value at `at`; `used` is what the original has on its stack.
function read_value(text, at, used)
  need(text, at, 1)
  if used + 1 > C_STACK then
    fail('stack overflow (too many return values at once; use unpack_one or unpack_limit instead.)')
  end
  local code = byte(text, at)
  local value, behind
  if code <= 0x7F then
    return code, at + 1
  elseif code >= 0xE0 then
    return code - 256, at + 1
  elseif code >= 0xC0 then
    value, behind = read_coded(text, code, at + 1, used)
  elseif code >= 0xA0 then
    value, behind = read_string(text, at + 1, code - 0xA0)
  elseif code >= 0x90 then
    value, behind = read_array(text, at + 1, code - 0x90, used)
  else
    value, behind = read_map(text, at + 1, code - 0x80, used)
  end
  return value, behind
end

-- Read up to `limit` values from `offset` on into a table; return it and how many entries it has. Limit and offset 0
-- read all; otherwise the first entry is the offset to go on from, or -1 at the end.
local function read_some(text, limit, offset)
  local length = #text
  if offset < 0 or limit < 0 then
    -- The original names the length where it says limit.
    fail(format('Invalid request to unpack with offset of %d and limit of %d.', int32(offset), length))
  elseif offset > length then
    fail(format('Start offset %d greater than input length %d.', int32(offset), length))
  end
  local everything = limit == 0 and offset == 0
  local results, first = {}, everything and 0 or 1
  local at, count = offset + 1, 0
  while at <= length and (everything or count < limit) do
    results[first + count + 1], at = read_value(text, at, 1 + count)
    count = count + 1
  end
  if first == 1 then
    if count + 2 > C_STACK then
      fail('stack overflow (in function mp_unpack_full)')
    end
    results[1] = at > length and -1 or at - 1
  end
  return results, first + count
end

local function unpack_all(present, text)
  local results, count = read_some(check_string(text, 1, present >= 1), 0, 0)
  return results, count
end

local function optional_offset(value, argument)
  return value == nil and 0 or check_integer(value, argument, true)
end

local function unpack_one(present, text, offset)
  offset = optional_offset(offset, 2)
  local results, count = read_some(check_string(text, 1, present >= 1), 1, offset)
  return results, count
end

local function unpack_limit(present, text, limit, offset)
  limit = check_integer(limit, 2, present >= 2)
  offset = optional_offset(offset, 3)
  local results, count = read_some(check_string(text, 1, present >= 1), limit, offset)
  return results, count
end

local function pack(...)
  local done, packed = pcall(pack_all, select('#', ...), ...)
  if not done then
    rethrow(packed)
  end
  return packed
end

-- Expose a body that returns a table of results and their number.
local function expose(body)
  return function(...)
    local done, results, count = pcall(body, select('#', ...), ...)
    if not done then
      rethrow(results)
    end
    if count <= 3 then
      -- A call of `unpack` may not return as many results as a function of this language.
      return unpack(results, 1, count)
    end
    return results[1], results[2], results[3], unpack(results, 4, count)
  end
end
-- In the original's order: it shows when a script iterates over the library.
local library = {}
library.pack = pack
library.unpack = expose(unpack_all)
library.unpack_one = expose(unpack_one)
library.unpack_limit = expose(unpack_limit)
library._NAME = 'cmsgpack'
library._VERSION = 'lua-cmsgpack 0.4.0'
library._COPYRIGHT = 'Copyright (C) 2012, Salvatore Sanfilippo'
library._DESCRIPTION = 'MessagePack C implementation for Lua'

return library

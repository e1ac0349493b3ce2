-- Values as bytes in the layout that a format string describes: the struct library of redis-server 7.0.15.
--
-- Sizes are those of a 64-bit little-endian machine. A format ends at its first NUL, as C strings do.

local support, numbers = ...
local fail, rethrow, truncate = support.fail, support.rethrow, support.truncate
local check_string, check_number, check_integer = support.check_string, support.check_number, support.check_integer
local pcall, select, tonumber, type = pcall, select, tonumber, type
local byte, char, find, format, match = string.byte, string.char, string.find, string.format, string.match
local rep, reverse, sub = string.rep, string.reverse, string.sub
local concat, unpack = table.concat, unpack
local floor = math.floor
local halves = numbers.halves
local pack_float, pack_double = numbers.pack_float, numbers.pack_double
local unpack_float, unpack_double = numbers.unpack_float, numbers.unpack_double

local INT_MAX = 2147483647
local MAX_INTEGER_SIZE = 32
local NATURAL_ALIGNMENT = 8
local SIZE_T = 18446744073709551616
local C_STACK = 8000

local fixed_sizes = { b = 1, B = 1, h = 2, H = 2, l = 8, L = 8, T = 8, f = 4, d = 8, x = 1 }
local is_integer = { b = true, B = true, h = true, H = true, i = true, I = true, l = true, L = true, T = true }

-- Read the decimal number at `at` of a format; return it, or `default`, and the position behind.
local function read_count(layout, at, default)
  local digits = match(layout, '^%d+', at)
  if not digits then
    return default, at
  end
  local count = tonumber(digits)
  if count > INT_MAX then
    fail('integral size overflow')
  end
  return count, at + #digits
end

-- Return the size of an option and the position behind its count.
local function option_size(layout, at, option)
  local size = fixed_sizes[option]
  if size then
    return size, at
  elseif option == 'c' then
    local count, behind = read_count(layout, at, 1)
    return count, behind
  elseif option == 'i' or option == 'I' then
    size, at = read_count(layout, at, 4)
    if size > MAX_INTEGER_SIZE then
      fail(format('integral size %d is larger than limit of %d', size, MAX_INTEGER_SIZE))
    end
    return size, at
  end
  return 0, at
end

-- Return the bits that two numbers below 256 share.
local function both(first, second)
  local result, bit = 0, 1
  while first > 0 and second > 0 do
    if first % 2 == 1 and second % 2 == 1 then
      result = result + bit
    end
    first, second, bit = floor(first / 2), floor(second / 2), bit * 2
  end
  return result
end

-- Return how many bytes align an element of `size` at `position`.
local function padding(position, state, option, size)
  if size == 0 or option == 'c' then
    return 0
  end
  if size > state.alignment then
    size = state.alignment
  end
  -- A size that is no power of two gives what these masks give, as in the original.
  local mask = size - 1
  return both((size - both(position % 256, mask)) % 256, mask)
end

-- Obey an option that stands for no data; return the position behind it.
local function control(layout, at, option, state)
  if option == '>' or option == '<' then
    state.big = option == '>'
  elseif option == '!' then
    local alignment
    alignment, at = read_count(layout, at, NATURAL_ALIGNMENT)
    local power = alignment
    while power > 1 and power % 2 == 0 do
      power = power / 2
    end
    if power ~= 1 then
      fail(format('alignment %d is not a power of 2', alignment))
    end
    state.alignment = alignment
  elseif option ~= ' ' then
    fail("invalid format option '" .. option .. "'", 1)
  end
  return at
end

local function begin(layout, present)
  layout = check_string(layout, 1, present >= 1)
  local stop = find(layout, '%z')
  return stop and sub(layout, 1, stop - 1) or layout, { big = false, alignment = 1 }
end

-- Convert to an unsigned 64-bit integer as the processor does; one below zero stands for its two's complement.
local function to_unsigned(number)
  if number >= SIZE_T then
    return 0
  elseif number >= 9223372036854775808 then
    return number
  end
  return truncate(number)
end

-- Return a number as an integer of `size` bytes, the lowest first.
local function integer_bytes(number, size)
  local high, low = halves(to_unsigned(number))
  local bytes = {}
  for i = 1, size do
    if i == 5 then
      low = high
    end
    bytes[i] = i <= 8 and char(low % 256) or '\0'
    low = floor(low / 256)
  end
  return concat(bytes)
end

local function pack_values(present, layout, ...)
  local state
  layout, state = begin(layout, present)
  local values, argument = { ... }, 1
  local out, count, total = {}, 0, 0
  local at = 1
  while at <= #layout do
    local option, size = sub(layout, at, at), nil
    size, at = option_size(layout, at + 1, option)
    local align = padding(total, state, option, size)
    total = total + align
    local piece
    if is_integer[option] then
      argument = argument + 1
      piece = integer_bytes(check_number(values[argument - 1], argument, true), size)
      if state.big then
        piece = reverse(piece)
      end
    elseif option == 'x' then
      piece = '\0'
    elseif option == 'f' or option == 'd' then
      argument = argument + 1
      local number = check_number(values[argument - 1], argument, true)
      piece = option == 'f' and pack_float(number) or pack_double(number)
      if not state.big then
        piece = reverse(piece)
      end
    elseif option == 'c' or option == 's' then
      argument = argument + 1
      piece = check_string(values[argument - 1], argument, true)
      if size == 0 then
        size = #piece
      elseif #piece < size then
        fail('string too short', argument + 1)
      end
      piece = sub(piece, 1, size)
      if option == 's' then
        piece = piece .. '\0'
        size = size + 1
      end
    else
      at = control(layout, at, option, state)
      piece = ''
    end
    count = count + 1
    out[count] = rep('\0', align) .. piece
    total = total + size
  end
  return concat(out)
end

-- Read the integer of `size` bytes at `at`, counted from 0.
local function read_integer(data, at, state, signed, size)
  local high, low = 0, 0
  -- Only the lowest 64 bits stay.
  for i = size < 8 and size or 8, 1, -1 do
    local value = byte(data, state.big and at + size - i + 1 or at + i)
    if i > 4 then
      high = high * 256 + value
    else
      low = low * 256 + value
    end
  end
  if not signed then
    return high * 4294967296 + low
  end
  -- The sign bit's place is counted modulo 64, for sizes over 8, too.
  local place = (8 * size - 1) % 64
  if place < 32 then
    local limit = 2 ^ place
    local negative = high > 0 or low >= limit
    if negative then
      -- Everything from the sign bit up becomes ones.
      return low % limit - limit
    end
    return low
  end
  local limit = 2 ^ (place - 32)
  if high >= limit then
    return (high % limit - limit) * 4294967296 + low
  end
  return high * 4294967296 + low
end

local function check_room(size, position, length)
  -- Below zero stands for positions past any end.
  if size < 0 or size > length or position < 0 or position > length - size then
    fail('data string too short', 2)
  end
end

local function unpack_values(present, layout, data, first)
  local state
  layout, state = begin(layout, present)
  data = check_string(data, 2, present >= 2)
  local position = first == nil and 1 or check_integer(first, 3, true)
  if position == 0 then
    fail('offset must be 1 or greater', 3)
  end
  position = position - 1
  local length, stack = #data, present < 2 and 2 or present
  local results, count = {}, 0
  local at = 1
  while at <= #layout do
    local option, size = sub(layout, at, at), nil
    size, at = option_size(layout, at + 1, option)
    position = position + padding(position, state, option, size)
    check_room(size, position, length)
    if stack + count + 2 > C_STACK then
      fail('stack overflow (too many results)')
    end
    if is_integer[option] then
      count = count + 1
      results[count] = read_integer(data, position, state, option == 'b' or option == 'h' or option == 'i' or option == 'l', size)
    elseif option == 'f' or option == 'd' then
      local piece = sub(data, position + 1, position + size)
      if not state.big then
        piece = reverse(piece)
      end
      count = count + 1
      results[count] = option == 'f' and unpack_float(piece, 1) or unpack_double(piece, 1)
    elseif option == 'c' then
      if size == 0 then
        size = count > 0 and tonumber(results[count])
        if not size then
          fail("format 'c0' needs a previous size")
        end
        size = to_unsigned(size)
        count = count - 1
        check_room(size, position, length)
      end
      count = count + 1
      results[count] = sub(data, position + 1, position + size)
    elseif option == 's' then
      local stop = find(data, '\0', position + 1, true)
      if not stop then
        fail('unfinished string in data')
      end
      size = stop - position
      count = count + 1
      results[count] = sub(data, position + 1, stop - 1)
    elseif option ~= 'x' then
      at = control(layout, at, option, state)
    end
    position = position + size
  end
  count = count + 1
  results[count] = position + 1
  return results, count
end

local function size_of(present, layout)
  local state
  layout, state = begin(layout, present)
  local position, at = 0, 1
  while at <= #layout do
    local option, size = sub(layout, at, at), nil
    size, at = option_size(layout, at + 1, option)
    position = position + padding(position, state, option, size)
    if option == 's' then
      fail("option 's' has no fixed size", 1)
    elseif option == 'c' and size == 0 then
      fail("option 'c0' has no fixed size", 1)
    elseif not find(option, '%w') then
      at = control(layout, at, option, state)
    end
    position = position + size
  end
  return position
end

local library = {}

function library.pack(...)
  local done, packed = pcall(pack_values, select('#', ...), ...)
  if not done then
    rethrow(packed)
  end
  return packed
end

function library.unpack(...)
  local done, results, count = pcall(unpack_values, select('#', ...), ...)
  if not done then
    rethrow(results)
  end
  if count == 1 then
    return results[1]
  end
  -- A call of `unpack` may not return as many results as a function of this language.
  return results[1], results[2], unpack(results, 3, count)
end

function library.size(...)
  local done, size = pcall(size_of, select('#', ...), ...)
  if not done then
    rethrow(size)
  end
  return size
end

return library

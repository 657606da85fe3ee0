using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Globalization;
using System.Text.RegularExpressions;

namespace Distributed.Tests.Fuzzing;

/// <summary>
/// Feeds a parser with malformed bytes: noise, and valid inputs with flipped bits, extreme numbers, and pieces that are cut out, repeated
/// or combined with others. An input depends only on the seed and its number: a failure names both, and DISTRIBUTED_FUZZ=SEED:NUMBER
/// replays it. With DISTRIBUTED_TESTS=thorough, the seed is random and there are twenty times as many inputs.
/// </summary>
internal sealed partial class Fuzzer
{
    private const int MaxNoise = 200;

    private static readonly bool _isThorough = Environment.GetEnvironmentVariable("DISTRIBUTED_TESTS") == "thorough";
    private static readonly string[]? _replay = Environment.GetEnvironmentVariable("DISTRIBUTED_FUZZ")?.Split(':');

    private static readonly long[] _extremes =
    [
        0, 1, -1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, int.MaxValue, int.MinValue, uint.MaxValue, long.MaxValue, long.MinValue,
        1 << 20, 1L << 40,
    ];

    private readonly IReadOnlyList<byte[]> _valid;
    private readonly ConcurrentDictionary<string, int> _refused = new(StringComparer.Ordinal);
    private Draws _draws;

    private Fuzzer(IReadOnlyList<byte[]> valid) => _valid = valid;

    /// <summary>How often each reason was given, without the numbers and quotations in it.</summary>
    public IReadOnlyDictionary<string, int> Refused => _refused;

    public int Refusals => _refused.Values.Sum();

    public int Accepted { get; private set; }

    /// <summary>Feeds the valid inputs, which must be accepted, and then this number of malformed ones.</summary>
    /// <param name="valid">At least one.</param>
    /// <param name="feed">Parses an input, which it may change; returns the reason of a refusal, or null. Never throws.</param>
    /// <param name="allowance">Bytes that it may allocate, in addition to <paramref name="perByte"/> for each byte of the input.</param>
    public static Fuzzer Run(
        int inputs, IReadOnlyList<byte[]> valid, Func<byte[], string?> feed, long allowance = 64 << 10, int perByte = 100)
    {
        var fuzzer = new Fuzzer(valid);
        // Twice, since one-time allocations are not caused by the input.
        for (var i = 0; i < 2 * valid.Count; i++) Assert.Null(feed([.. valid[i % valid.Count]]));
        var seed = _replay is [var given, _]
            ? ulong.Parse(given, CultureInfo.InvariantCulture) : _isThorough ? (ulong)Random.Shared.NextInt64() : 1;
        var (first, count) = _replay is [_, var number]
            ? (long.Parse(number, CultureInfo.InvariantCulture), 1L) : (0L, inputs * (_isThorough ? 20L : 1));
        for (var i = first; i < first + count; i++) fuzzer.Feed(seed, i, feed, allowance, perByte);
        return fuzzer;
    }

    private void Feed(ulong seed, long number, Func<byte[], string?> feed, long allowance, int perByte)
    {
        var input = Next(seed, number);
        var length = input.Length;
        byte[] copy = [.. input];
        string? reason;
        var before = GC.GetAllocatedBytesForCurrentThread();
        try
        {
            reason = feed(input);
        }
        catch (Exception error)
        {
            throw new InvalidOperationException($"{Told(seed, number, copy)}: {error.GetType().Name}: {error.Message}", error);
        }
        var allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        if (allocated > allowance + ((long)perByte * length))
            throw new InvalidOperationException(
                $"{Told(seed, number, copy)}: {allocated} bytes were allocated for {length}; {reason ?? "it was accepted"}");
        if (reason is null) Accepted++;
        else _refused.AddOrUpdate(Kind().Replace(reason, "#"), 1, (_, times) => times + 1);
    }

    private static string Told(ulong seed, long number, byte[] input) =>
        $"input {number} of seed {seed} (replay: DISTRIBUTED_FUZZ={seed}:{number}), {input.Length} bytes: "
            + $"{Convert.ToHexString(input.AsSpan(0, Math.Min(input.Length, 512)))}";

    private byte[] Next(ulong seed, long number)
    {
        _draws = new(seed ^ ((ulong)number * 0x9E3779B97F4A7C15));
        if (_draws.Below(20) == 0) return Noise(_draws.Below(MaxNoise));
        byte[] input = [.. Any()];
        for (var changes = 1 + _draws.Below(4); changes > 0; changes--) input = Changed(input);
        return input;
    }

    private byte[] Any() => _valid[_draws.Below(_valid.Count)];

    private byte[] Changed(byte[] input)
    {
        if (input.Length == 0) return Noise(1 + _draws.Below(8));
        var at = _draws.Below(input.Length);
        switch (_draws.Below(10))
        {
            case 0 or 1:
                input[at] ^= (byte)(1 << _draws.Below(8));
                return input;
            case 2:
                // Every other time a byte that MessagePack reads as a kind of value and the width of its length.
                input[at] = (byte)(_draws.Below(2) == 0 ? _draws.Below(256) : 0xC0 + _draws.Below(32));
                return input;
            case 3 or 4 or 5:
                Write(input, at, _extremes[_draws.Below(_extremes.Length)] + _draws.Below(3) - 1);
                return input;
            case 6:
                return input[..at];
            case 7:
                return [.. input.AsSpan(0, at), .. input.AsSpan(Math.Min(input.Length, at + 1 + _draws.Below(16)))];
            case 8:
                var piece = input.AsSpan(at, Math.Min(input.Length - at, 1 + _draws.Below(32)));
                return [.. input.AsSpan(0, at), .. piece, .. input.AsSpan(at)];
            default:
                var other = Any();
                return [.. input.AsSpan(0, at), .. other.AsSpan(_draws.Below(other.Length + 1))];
        }
    }

    /// <summary>A number of 1, 2, 4 or 8 bytes, in either byte order, cut at the end of the input.</summary>
    private void Write(byte[] input, int at, long value)
    {
        Span<byte> bytes = stackalloc byte[8];
        var length = 1 << _draws.Below(4);
        if (_draws.Below(2) == 0) BinaryPrimitives.WriteInt64LittleEndian(bytes, value);
        else BinaryPrimitives.WriteInt64BigEndian(bytes, value << (64 - (8 * length)));
        length = Math.Min(length, input.Length - at);
        bytes[..length].CopyTo(input.AsSpan(at));
    }

    private byte[] Noise(int length)
    {
        var noise = new byte[length];
        for (var i = 0; i < length; i++) noise[i] = (byte)_draws.Below(256);
        return noise;
    }

    [GeneratedRegex("'[^']*'|[0-9a-f]{8,}|-?[0-9]+")]
    private static partial Regex Kind();

    /// <summary>SplitMix64 (Steele, Lea and Flood, 2014): the same on every machine and version.</summary>
    private struct Draws(ulong state)
    {
        private ulong _state = state;

        public int Below(int limit)
        {
            var mixed = _state += 0x9E3779B97F4A7C15;
            mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9;
            mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB;
            return (int)(((mixed ^ (mixed >> 31)) >> 33) % (ulong)limit);
        }
    }
}

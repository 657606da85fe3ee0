using BenchmarkDotNet.Attributes;
using Distributed.Core.Reduction;
using Distributed.Transport.Pipes;

namespace Distributed.Bench.Micro;

/// <summary>The cost of a frame without its transport: header and checksum.</summary>
public class FrameBenchmarks
{
    private readonly byte[] _header = new byte[FrameHeader.Size];
    private byte[] _payload = [];
    private FrameHeader _frame;

    /// <summary>Bytes of payload: about those of tallies, a quarter of a slice, a slice.</summary>
    [Params(256, 64 << 10, 256 << 10)]
    public int Length { get; set; }

    /// <summary>Creates a frame.</summary>
    [GlobalSetup]
    public void SetUp()
    {
        _payload = new byte[Length];
        new Random(1).NextBytes(_payload);
        _frame = new(FrameKind.Contribution, 1, 2, 3, 4, new(0, 2), Length);
        _frame.Write(_header, _payload);
    }

    /// <summary>Work of the sender.</summary>
    [Benchmark]
    public void Write() => _frame.Write(_header, _payload);

    /// <summary>Work of the receiver.</summary>
    [Benchmark]
    public void Verify() => FrameCodec.Verify(_header, _payload);
}

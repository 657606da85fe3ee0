using System.Numerics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;

namespace Distributed.Transport.Buffers;

// Chooses how to copy into memory that another processor has read before. If both processors share a cache, an ordinary copy is best. If
// not, an ordinary store first takes each line back from the other cache, which takes several times as long as a non-temporal store.
// Threads and virtual processors migrate, so the answer changes at run time, and both ways are timed now and then.
internal struct CopyChoice
{
    /// <summary>One of this many copies is made the other way, to time it.</summary>
    public const int Trial = 64;

    // An ordinary copy takes at least this many times as long if no cache is shared.
    private const int MinSlowdown = 2;
    // Weight of a slower sample: usually preemption, so it moves the estimate little.
    private const double OutlierWeight = 0.125;

    private double _ordinary;
    private double _streaming;
    private int _copies;

    public readonly bool IsStreaming => _ordinary > MinSlowdown * _streaming;

    public bool Next() => IsStreaming != (_copies++ % Trial == 0);

    public void Record(bool isStreaming, double timePerByte)
    {
        ref var known = ref isStreaming ? ref _streaming : ref _ordinary;
        known = known == 0 || timePerByte < known ? timePerByte : known + OutlierWeight * (timePerByte - known);
    }
}

/// <summary>Copies with non-temporal stores, for data that this core will not read soon.</summary>
internal static unsafe class StreamingCopy
{
    /// <summary>Copies to memory that does not overlap. Other processors see the copy before anything that is written later.</summary>
    public static void To(Span<byte> to, ReadOnlySpan<byte> from)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(to.Length, from.Length);
        var width = Vector<byte>.Count;
        fixed (byte* target = &MemoryMarshal.GetReference(to), source = &MemoryMarshal.GetReference(from))
        {
            var done = Math.Min(from.Length, (int)(-(nint)target & (width - 1)));
            from[..done].CopyTo(to);
            for (; from.Length - done >= 4 * width; done += 4 * width)
            {
                var (a, b) = (Vector.Load(source + done), Vector.Load(source + done + width));
                var (c, d) = (Vector.Load(source + done + 2 * width), Vector.Load(source + done + 3 * width));
                a.StoreAlignedNonTemporal(target + done);
                b.StoreAlignedNonTemporal(target + done + width);
                c.StoreAlignedNonTemporal(target + done + 2 * width);
                d.StoreAlignedNonTemporal(target + done + 3 * width);
            }
            from[done..].CopyTo(to[done..]);
        }
        // Non-temporal stores are not ordered with others.
        if (Sse.IsSupported) Sse.StoreFence();
        else Interlocked.MemoryBarrier();
    }
}

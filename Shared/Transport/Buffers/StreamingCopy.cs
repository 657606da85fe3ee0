using System.Numerics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;

namespace Distributed.Transport.Buffers;

/// <summary>Copies past the caches of this processor, for what nobody reads here before it would be out of them again.</summary>
internal static unsafe class StreamingCopy
{
    /// <summary>Copies; others see all of it before anything that is written later.</summary>
    /// <param name="to">At least as long as <paramref name="from"/>; best aligned to a cache line.</param>
    /// <param name="from">What is copied; does not overlap.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="to"/> is shorter.</exception>
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
        // Such stores are in no order with others.
        if (Sse.IsSupported) Sse.StoreFence();
        else Interlocked.MemoryBarrier();
    }
}

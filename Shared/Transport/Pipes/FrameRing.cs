using System.Diagnostics;
using Distributed.Core.Reduction;
using Distributed.Transport.Buffers;

namespace Distributed.Transport.Pipes;

// A ring of slots in shared memory, each for one frame, with one writing and one reading process. Each counter has its own cache lines and
// one writer; a process reads the other's counter only when its copy of it allows no progress.
internal unsafe struct FrameRing(byte* counters, byte* slots)
{
    internal const int Bytes = Slots * SlotBytes;
    internal const int CounterBytes = 2 * CounterStride;
    private const int Slots = 16;
    private const int SlotBytes = HeaderBytes + FrameHeader.MaxLength;
    private const int HeaderBytes = 64;
    // Smaller copies are not worth reading the clock twice.
    private const int MinTimed = 16 * 1024;
    // Two lines: processors fetch them in pairs.
    private const int CounterStride = 128;

    private readonly ulong* _published = (ulong*)counters;
    private readonly ulong* _released = (ulong*)(counters + CounterStride);
    private CopyChoice _choice;
    private ulong _written;
    private ulong _read;

    internal bool HasRoom() => !HasUnread(Slots);
    internal bool IsHalfUnread() => HasUnread(Slots / 2);

    /// <summary>Of the reading end: whether half of the slots are unread.</summary>
    internal bool HasHalf()
    {
        _written = Volatile.Read(ref *_published);
        return InUse() >= Slots / 2;
    }

    // There must be a free slot.
    internal void Write(in FrameHeader header, ReadOnlySpan<byte> payload)
    {
        var slot = Slot(_written);
        header.Write(new Span<byte>(slot, FrameHeader.Size));
        CopyTo(new(slot + HeaderBytes, FrameHeader.MaxLength), payload);
        Volatile.Write(ref *_published, ++_written);
    }

    internal bool HasFrame()
    {
        if (_written != _read) return true;
        _written = Volatile.Read(ref *_published);
        return InUse() > 0;
    }

    // There must be a frame.
    internal readonly FrameHeader Read()
    {
        // Copied first, so that the other process cannot change the header after the check.
        Span<byte> bytes = stackalloc byte[FrameHeader.Size];
        new ReadOnlySpan<byte>(Slot(_read), FrameHeader.Size).CopyTo(bytes);
        var header = FrameCodec.Read(bytes);
        FrameCodec.Verify(bytes);
        return header;
    }

    internal readonly ReadOnlySpan<byte> Payload(int length) => new(Slot(_read) + HeaderBytes, length);
    internal void Release() => Volatile.Write(ref *_released, ++_read);

    // Of the writing end.
    private bool HasUnread(int count)
    {
        if (_written - _read < (ulong)count) return false;
        _read = Volatile.Read(ref *_released);
        return InUse() >= (ulong)count;
    }

    private void CopyTo(Span<byte> slot, ReadOnlySpan<byte> payload)
    {
        if (payload.Length < MinTimed)
        {
            payload.CopyTo(slot);
            return;
        }
        var isStreaming = _choice.Next();
        var start = Stopwatch.GetTimestamp();
        if (isStreaming) StreamingCopy.To(slot, payload);
        else payload.CopyTo(slot);
        _choice.Record(isStreaming, (double)(Stopwatch.GetTimestamp() - start) / payload.Length);
    }

    private readonly byte* Slot(ulong number) => slots + number % Slots * SlotBytes;

    private readonly ulong InUse()
    {
        var used = _written - _read;
        return used <= Slots ? used : throw new LinkException($"{used} of {Slots} slots of the shared memory are marked as used");
    }
}

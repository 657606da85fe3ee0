using System.Diagnostics;
using Distributed.Core.Reduction;
using Distributed.Transport.Buffers;

namespace Distributed.Transport.Pipes;

/// <summary>
/// A ring of slots in shared memory, each for one frame, with one end that writes and one that reads. Each counter has cache
/// lines of its own and one writer; an end looks at the other's only when what it knows of it is used up.
/// </summary>
internal unsafe struct FrameRing(byte* counters, byte* slots)
{
    internal const int Bytes = Slots * SlotBytes;
    internal const int CounterBytes = 2 * CounterStride;

    private const int Slots = 16;
    private const int SlotBytes = HeaderBytes + FrameHeader.MaxLength;
    private const int HeaderBytes = 64;
    // Below, two looks at the clock are not worth it.
    private const int MinTimed = 16 * 1024;
    // Two lines: processors fetch them in pairs.
    private const int CounterStride = 128;

    private readonly ulong* _published = (ulong*)counters;
    private readonly ulong* _released = (ulong*)(counters + CounterStride);
    private CopyChoice _choice;
    private ulong _written;
    private ulong _read;

    internal bool HasRoom()
    {
        if (_written - _read < Slots) return true;
        _read = Volatile.Read(ref *_released);
        return InUse() < Slots;
    }

    /// <summary>Whether half of the slots wait to be read, as the writing end sees it.</summary>
    internal bool IsHalfUnread()
    {
        if (_written - _read < Slots / 2) return false;
        _read = Volatile.Read(ref *_released);
        return InUse() >= Slots / 2;
    }

    /// <summary>Whether half of the slots wait to be read, as the reading end sees it.</summary>
    internal bool HasHalf()
    {
        _written = Volatile.Read(ref *_published);
        return InUse() >= Slots / 2;
    }

    /// <summary>Puts a frame into a slot, of which there must be a free one.</summary>
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

    /// <summary>The oldest frame, of which there must be one.</summary>
    internal readonly FrameHeader Read()
    {
        // Copied first: what is checked must be what is used, whatever the other process does.
        Span<byte> bytes = stackalloc byte[FrameHeader.Size];
        new ReadOnlySpan<byte>(Slot(_read), FrameHeader.Size).CopyTo(bytes);
        var header = FrameCodec.Read(bytes);
        FrameCodec.Verify(bytes);
        return header;
    }

    /// <summary>The payload of the oldest frame, in its place.</summary>
    internal readonly ReadOnlySpan<byte> Payload(int length) => new(Slot(_read) + HeaderBytes, length);

    internal void Release() => Volatile.Write(ref *_released, ++_read);

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
        _choice.Note(isStreaming, (double)(Stopwatch.GetTimestamp() - start) / payload.Length);
    }

    private readonly byte* Slot(ulong number) => slots + number % Slots * SlotBytes;

    private readonly ulong InUse()
    {
        var used = _written - _read;
        return used <= Slots ? used : throw new LinkException($"{used} of {Slots} slots of the shared memory are said to be in use");
    }
}

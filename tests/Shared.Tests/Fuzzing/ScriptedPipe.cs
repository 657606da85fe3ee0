using Distributed.Core.Reduction;
using Distributed.Transport.Pipes;

namespace Distributed.Tests.Fuzzing;

/// <summary>A pipe that receives the frames of a test and discards sent ones.</summary>
internal sealed class ScriptedPipe : IFramePipe
{
    private readonly Queue<(FrameHeader Header, byte[] Payload)> _incoming = new();

    public string Peer => "the script";

    public bool IsMidFrame => false;

    public int Descriptor => -1;

    /// <summary>Adds the frames in these bytes, one after the other.</summary>
    /// <param name="bytes">Frames whose sums are not checked.</param>
    /// <param name="generations">Added to each frame's generation.</param>
    /// <exception cref="LinkException">The bytes are malformed; the frames before that are added.</exception>
    public void Put(byte[] bytes, int generations)
    {
        for (var at = 0; at + FrameHeader.Size <= bytes.Length;)
        {
            var header = FrameCodec.Read(bytes.AsSpan(at));
            at += FrameHeader.Size;
            if (at + header.Length > bytes.Length) return;
            _incoming.Enqueue((header with { Generation = unchecked(header.Generation + generations) }, bytes[at..(at + header.Length)]));
            at += header.Length;
        }
    }

    public bool TrySend(in FrameHeader header, ReadOnlySpan<byte> payload) => true;

    public bool TryReceive(out FrameHeader header, out ReadOnlySpan<byte> payload)
    {
        var isThere = _incoming.TryPeek(out var frame);
        header = frame.Header;
        payload = frame.Payload;
        return isThere;
    }

    public void Release() => _incoming.Dequeue();

    public bool Arm(bool wantsRoom, WantedFrames frames = WantedFrames.Any) =>
        !wantsRoom && (frames == WantedFrames.None || _incoming.Count == 0);

    public void Disarm() { }

    public short PollEvents(bool wantsFrames, bool wantsRoom) => 0;

    public void Polled(short revents) { }

    public void Dispose() => _incoming.Clear();
}

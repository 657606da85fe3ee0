using Distributed.Core.Reduction;
using Distributed.Transport.Pipes;

namespace Distributed.Tests.Fuzzing;

/// <summary>A pipe within the process: what comes is what a test puts in, and what is sent goes nowhere.</summary>
internal sealed class ScriptedPipe : IFramePipe
{
    private readonly Queue<(FrameHeader Header, byte[] Payload)> _incoming = new();

    public string Peer => "the script";

    public bool IsMidFrame => false;

    public int Descriptor => -1;

    /// <summary>Puts in the frames that these bytes are, one behind the other, as far as they go.</summary>
    /// <param name="bytes">Frames whose sums are not looked at.</param>
    /// <param name="generations">Is added to each frame's generation.</param>
    /// <exception cref="LinkException">They are none; those before are put in.</exception>
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

    public bool Arm(bool wantsRoom, WantedFrames frames = WantedFrames.Any) => !wantsRoom && (frames == WantedFrames.None || _incoming.Count == 0);

    public void Disarm() { }

    public short PollEvents(bool wantsFrames, bool wantsRoom) => 0;

    public void Polled(short revents) { }

    public void Dispose() => _incoming.Clear();
}

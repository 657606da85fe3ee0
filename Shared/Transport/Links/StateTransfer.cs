using Distributed.Core.Reduction;
using Distributed.Transport.Pipes;

namespace Distributed.Transport.Links;

/// <summary>Sends a replica's serialized state in pieces of <see cref="FrameHeader.MaxLength"/> bytes. It must not change until it is
/// sent.</summary>
internal static class StateTransfer
{
    public static void Send(TensorLinks links, TensorLink link, ulong job, int generation, long applied, ReadOnlyMemory<byte> state) =>
        Send(FrameKind.State, links, link, job, generation, applied, state, FramePriority.Normal);

    public static void SendCheckpoint(
        TensorLinks links, TensorLink link, ulong job, int generation, long applied, ReadOnlyMemory<byte> state) =>
        Send(FrameKind.Checkpoint, links, link, job, generation, applied, state, FramePriority.Background);

    public static void SendInitial(TensorLinks links, TensorLink link, ulong job, ReadOnlyMemory<byte> parameters) =>
        Send(FrameKind.Initial, links, link, job, FrameHeader.AnyGeneration, 0, parameters, FramePriority.Normal);

    private static void Send(
        FrameKind kind, TensorLinks links, TensorLink link, ulong job, int generation, long applied, ReadOnlyMemory<byte> state,
        FramePriority priority)
    {
        var pieces = Pieces(state.Length);
        for (var piece = 0; piece < pieces; piece++)
        {
            var start = piece * FrameHeader.MaxLength;
            var payload = state.Slice(start, Math.Min(FrameHeader.MaxLength, state.Length - start));
            var header = new FrameHeader(kind, job, generation, applied, piece, new(pieces, state.Length), payload.Length);
            links.Send(link, header, payload, priority: priority);
        }
    }

    internal static int Pieces(int bytes) => (int)(((long)bytes + FrameHeader.MaxLength - 1) / FrameHeader.MaxLength);
}

/// <summary>Assembles the pieces of one state, which arrive in order over one link.</summary>
/// <param name="bytes">Expected size of the state.</param>
internal sealed class StateAssembly(long bytes)
{
    private byte[]? _state;
    private FrameHeader _first;
    private int _next;

    /// <returns>The state after the last piece, else null.</returns>
    public byte[]? Add(in FrameHeader frame, ReadOnlySpan<byte> piece)
    {
        if (frame.Node.Count != bytes || frame.Node.First != StateTransfer.Pieces(frame.Node.Count))
            throw new LinkException($"a state of {frame.Node.Count} bytes in {frame.Node.First} pieces received, {bytes} bytes expected");
        if (frame.Slice != _next || (_next > 0 && (frame.Round, frame.Generation) != (_first.Round, _first.Generation)))
            throw new LinkException($"piece {frame.Slice} of a state received, piece {_next} expected");
        if (_next == 0) _first = frame;
        _state ??= GC.AllocateUninitializedArray<byte>(frame.Node.Count);
        var place = _state.AsSpan(frame.Slice * FrameHeader.MaxLength);
        place = place[..Math.Min(FrameHeader.MaxLength, place.Length)];
        if (piece.Length != place.Length)
            throw new LinkException($"a piece of a state of {piece.Length} bytes received, {place.Length} expected");
        piece.CopyTo(place);
        return ++_next == _first.Node.First ? _state : null;
    }
}

namespace Distributed.Transport.Pipes;

/// <summary>A connection for bytes, encrypted or not. No call waits; a broken connection throws
/// a <see cref="LinkException"/>. Used by one thread at a time.</summary>
internal interface IByteStream : IDisposable
{
    string Peer { get; }
    int Descriptor { get; }

    /// <summary>Whether there are bytes to receive that poll(2) does not report, since they have left the kernel.</summary>
    bool HasReceived();

    /// <returns>Number of bytes; 0 if the other end has closed the connection, -1 if there are none now.</returns>
    int Receive(Span<byte> buffer);

    /// <summary>Sends as much of the two pieces, in order, as there is room for.</summary>
    /// <returns>Number of bytes sent, 0 if there is no room now. The next call must begin with the byte behind them.</returns>
    int Send(ReadOnlySpan<byte> first, ReadOnlySpan<byte> second);

    bool IsWritable();

    LinkException Closed(string when = "") => new($"{Peer} closed the connection{when}") { IsDisconnect = true };
}

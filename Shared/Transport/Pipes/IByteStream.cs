namespace Distributed.Transport.Pipes;

/// <summary>A connection that carries bytes both ways, encrypted or not. No call waits, and one thread at a time makes them.</summary>
internal interface IByteStream : IDisposable
{
    /// <summary>The other end, for people.</summary>
    string Peer { get; }

    int Descriptor { get; }

    /// <summary>Whether there is something to receive that poll(2) does not show: it has left the kernel already.</summary>
    bool HasReceived();

    /// <returns>Number of bytes; 0 if the other end has closed the connection, -1 if there are none now.</returns>
    /// <exception cref="LinkException">The connection is broken.</exception>
    int Receive(Span<byte> buffer);

    /// <summary>Sends as much of the two pieces, one behind the other, as there is room for.</summary>
    /// <returns>Number of bytes that have left, 0 if there is no room now. The next call begins with the byte behind them.</returns>
    /// <exception cref="LinkException">The connection is broken.</exception>
    int Send(ReadOnlySpan<byte> first, ReadOnlySpan<byte> second);

    /// <summary>Whether a call to send would do something.</summary>
    bool IsWritable();
}

/// <summary>What every kind of connection says alike.</summary>
internal static class ByteStreams
{
    public static LinkException Closed(this IByteStream stream, string when = "") => new($"{stream.Peer} closed the connection{when}") { IsDisconnect = true };
}

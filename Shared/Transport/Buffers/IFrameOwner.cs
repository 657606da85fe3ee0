namespace Distributed.Transport.Buffers;

/// <summary>Whoever owns the memory behind frames on their way out, and wants to know when it is free again. Called from any thread; must not wait.</summary>
internal interface IFrameOwner
{
    void Hold();

    /// <summary>One of the frames has left, or goes nowhere.</summary>
    void Release();
}

namespace Distributed.Hosting.Status;

/// <summary>Whether a process can do its work, for /readyz. Safe from every thread.</summary>
/// <param name="initially">Why it is not ready at first.</param>
internal sealed class Readiness(string initially)
{
    private volatile string? _notReady = initially;

    /// <summary>Why it is not ready; null when it is.</summary>
    public string? NotReady
    {
        get => _notReady;
        set => _notReady = value;
    }
}

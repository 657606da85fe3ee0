using System.ComponentModel;
using Distributed.Coordinator.LocalWorkers;

namespace Distributed.Coordinator.Tests.Actors;

/// <summary>Local workers without processes: a test says which run.</summary>
internal sealed class ScriptedLocalWorkers(params string[] names) : ILocalWorkers
{
    private readonly HashSet<string> _living = [.. names];

    /// <summary>Those that were started again, in order.</summary>
    public List<string> Restarted { get; } = [];

    /// <summary>Whether the program cannot be started any more.</summary>
    public bool IsBroken { get; set; }

    public IReadOnlyCollection<string> Living => _living;

    public string? LogOf(string worker) => names.Contains(worker) ? $"{worker}.log" : null;

    public void Restart(string worker)
    {
        if (IsBroken) throw new Win32Exception("no more processes");
        Restarted.Add(worker);
        _living.Add(worker);
    }

    /// <summary>The process of a worker is gone.</summary>
    public void End(string worker) => _living.Remove(worker);
}

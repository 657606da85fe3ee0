using System.ComponentModel;
using Distributed.Coordinator.Cluster;

namespace Distributed.Coordinator.Tests.Actors;

/// <summary>Local workers without processes.</summary>
internal sealed class ScriptedLocalWorkers(params string[] names) : ILocalWorkers
{
    /// <summary>The workers that were restarted, in order.</summary>
    public List<string> Restarted { get; } = [];

    /// <summary>Whether the program cannot be started any more.</summary>
    public bool IsBroken { get; set; }

    public IReadOnlyCollection<string> Names => names;

    public string? LogOf(string worker) => names.Contains(worker) ? $"{worker}.log" : null;

    public void Restart(string worker)
    {
        if (IsBroken) throw new Win32Exception("no more processes");
        Restarted.Add(worker);
    }
}

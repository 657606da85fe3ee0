namespace Distributed.Coordinator.Cluster;

/// <summary>The workers that a coordinator has started on its own machine. Safe from every thread.</summary>
internal interface ILocalWorkers
{
    /// <summary>The names of all, those included whose process has ended.</summary>
    IReadOnlyCollection<string> Names { get; }

    /// <summary>Where the log of a worker is; null for one that was not started here.</summary>
    string? LogOf(string worker);

    /// <summary>Starts the process of a worker again that has ended; does nothing once all are told to stop.</summary>
    /// <exception cref="IOException">Its log cannot be written.</exception>
    /// <exception cref="System.ComponentModel.Win32Exception">The program cannot be started.</exception>
    void Restart(string worker);
}

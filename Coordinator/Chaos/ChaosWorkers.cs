using Distributed.Coordinator.Cluster;

namespace Distributed.Coordinator.Chaos;

/// <summary>The workers of a chaos check, those that have ended included. They outlive the coordinator, and end with this process.</summary>
/// <param name="command">The command of a worker's name.</param>
internal sealed class ChaosWorkers(Func<string, WorkerCommand> command, Func<string, string> logOf) : IAsyncDisposable
{
    private readonly List<ChaosWorker> _workers = [];

    public IEnumerable<ChaosCandidate> Candidates => _workers.Select(worker => worker.Candidate).OfType<ChaosCandidate>();

    public ChaosWorker this[string name] => _workers.First(worker => worker.Name == name);

    public string Start()
    {
        var name = $"worker-{_workers.Count + 1}";
        _workers.Add(new(name, command(name), logOf(name)));
        return name;
    }

    public void TakePart(IReadOnlyList<string> names)
    {
        foreach (var worker in _workers.Where(worker => names.Contains(worker.Name))) worker.TakePart();
    }

    /// <summary>Lets those go on that have stood still for long enough.</summary>
    public IReadOnlyList<string> Thaw(TimeProvider time) => [.. _workers.Where(worker => worker.Thaw(time)).Select(worker => worker.Name)];

    /// <summary>What has gone wrong with any of them.</summary>
    public IReadOnlyList<string> Failures(bool isOver) => [.. _workers.Select(worker => worker.Failure(isOver)).OfType<string>()];

    public IReadOnlyList<string> Latecomers => [.. Candidates.Where(worker => !worker.TakesPart).Select(worker => worker.Name)];

    /// <summary>Waits until all that take part have ended by themselves, but no longer than <paramref name="patience"/>.</summary>
    public async Task EndAsync(TimeSpan patience, CancellationToken stopping)
    {
        foreach (var worker in _workers) worker.Thaw();
        try
        {
            await Task.WhenAll(_workers.Where(worker => worker.TakesPart).Select(worker => worker.Ended)).WaitAsync(patience, stopping).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            // Then that is their failure.
        }
    }

    /// <summary>Stops all of them at once.</summary>
    public async ValueTask DisposeAsync() => await Task.WhenAll(_workers.Select(worker => worker.DisposeAsync().AsTask())).ConfigureAwait(false);
}

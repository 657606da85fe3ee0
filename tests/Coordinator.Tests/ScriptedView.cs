using System.Collections.Concurrent;
using Distributed.Coordinator.Runs;

namespace Distributed.Coordinator.Tests;

/// <summary>Keeps what would be shown.</summary>
internal sealed class ScriptedView : IProgressView
{
    private readonly ConcurrentQueue<string> _messages = new();
    private readonly ConcurrentQueue<TrainingProgress> _updates = new();

    public IReadOnlyCollection<string> Messages => _messages;

    public IReadOnlyCollection<TrainingProgress> Updates => _updates;

    public TrainingProgress Last => _updates.Last();

    /// <summary>Runs before an update is taken.</summary>
    public Action<TrainingProgress> OnUpdate { get; set; } = _ => { };

    public void Update(TrainingProgress p)
    {
        OnUpdate(p);
        _updates.Enqueue(p);
    }

    public void Message(string line) => _messages.Enqueue(line);

    public void Dispose() { }
}

using Distributed.Core.Planning;
using Distributed.Core.Reduction;
using Distributed.Hosting.Messages;

namespace Distributed.Coordinator.Tests.Simulation;

/// <summary>The links of a coordinator: reduction in a star, and states in transfer.</summary>
internal sealed partial class SimulatedCoordinator
{
    private readonly Dictionary<(string Donor, int Generation), Queue<Action<long, long>>> _donations = [];
    private SimulatedExchange? _star;
    private Conversation[] _members = [];
    private (string Worker, int Generation)? _saver;

    /// <summary>A frame reaches the reducer of the star.</summary>
    public void Reduce(SimulatedWorker worker, FrameHeader frame, long value)
    {
        if (!_workers.TryGetValue(worker.Id, out var sender)) return;
        var index = Array.IndexOf(_members, sender.Conversation);
        var verdict = _star!.Classify(index, frame);
        Assert.NotEqual(FrameVerdict.Early, verdict);
        if (verdict == FrameVerdict.Stale) return;
        foreach (var (slice, sum) in _star.Take(index, frame, value))
        {
            var length = SimulatedVectors.Layout.WireBytesOf(slice, _simulation.IsBfloat16);
            var average = frame with { Kind = FrameKind.Average, Slice = slice, Node = default, Length = length };
            foreach (var receiver in _workers.Where(there => _members.Contains(there.Value.Conversation)).Select(there => there.Key))
                Link(receiver, w => Assert.True(w.Receive(Plan.Coordinator, average, sum) || _simulation.HadTwo));
        }
        if (_star.Rounds.IsComplete) _star.Enter(_star.Rounds.Round + 1);
    }

    /// <summary>The state of a checkpoint has arrived over a worker's link.</summary>
    public void ReceiveCheckpoint(SimulatedWorker worker, int generation, long applied, long state)
    {
        if (!_workers.ContainsKey(worker.Id) || _saver is not var (saver, current) || generation < current) return;
        // Two coordinators may give two plans the same number; the real one closes the link.
        if ((saver, current) == (worker.Id, generation)) Books.Arrived(applied, state, _simulation.Rounds);
        else Assert.True(_simulation.HadTwo, $"{worker.Id} sent a checkpoint of generation {generation} that was not requested");
    }

    private void Link(string worker, Action<SimulatedWorker> deliver)
    {
        if (_workers.TryGetValue(worker, out var there)) there.Worker.Link(this, deliver);
    }

    /// <summary>A state has arrived over a worker's link.</summary>
    public void ReceiveState(string donor, int generation, long applied, long state)
    {
        if (generation < Cluster.Generation || !_workers.ContainsKey(donor)) return;
        foreach (var received in _donations[(donor, generation)]) received(applied, state);
        _donations.Remove((donor, generation));
    }

    /// <returns>Whether to ask the donor; otherwise its state is already in transfer for another worker.</returns>
    private bool Expect(string donor, int generation, Action<long, long> received)
    {
        if (_donations.TryGetValue((donor, generation), out var coming))
        {
            _simulation.Census.Count("one state for many");
            coming.Enqueue(received);
            return false;
        }
        _donations[(donor, generation)] = new([received]);
        return true;
    }
}

using Distributed.Core.Planning;
using Distributed.Hosting.Messages;

namespace Distributed.Worker.Tests.Links;

/// <summary>
/// Replicas in a mesh, and what a coordinator does for them: it halts them, brings those that are behind up to the newest round, and
/// plans.
/// </summary>
/// <param name="setup">How the replicas are set up.</param>
/// <param name="seed">Determines the order of the workers in plans, and their contributions where no mapping is given.</param>
/// <param name="mapping">Makes the mapping of the replica with a given number; null for contributions that the seed determines.</param>
internal sealed class MeshCluster(LinksSetup setup, int seed, Func<int, IMapping>? mapping = null) : IDisposable
{
    private readonly List<MeshReplica> _all = [];
    private readonly List<MeshReplica> _living = [];
    private Plan? _plan;

    /// <summary>All replicas that ever joined, in that order.</summary>
    public IReadOnlyList<MeshReplica> All => _all;

    /// <summary>The replicas that are still alive.</summary>
    public IReadOnlyList<MeshReplica> Living => _living;

    public PlainSums Plain { get; } = new(seed, setup.Layout);

    public void Join(int count)
    {
        for (var i = 0; i < count; i++)
        {
            var number = _all.Count;
            var replica = new MeshReplica(
                $"worker-{number}", setup, mapping?.Invoke(number) ?? new PlainMapping(Plain, seed + number), Fail);
            _all.Add(replica);
            _living.Add(replica);
        }
    }

    public void Kill(MeshReplica replica)
    {
        replica.Dispose();
        _living.Remove(replica);
    }

    /// <summary>
    /// Begins a plan for all living replicas. One of them stops in the middle of a round, unless its share is empty or too small.
    /// </summary>
    /// <param name="stopping">The replica that stops; the call waits until it has stopped or reached the end of the job.</param>
    /// <param name="after">Determines how many micro-batches it computes before it stops.</param>
    public void BeginAndStop(MeshReplica stopping, int after)
    {
        if (!Begin(stopping, after)) return;
        while (stopping.Applied < setup.Rounds.Count && stopping.Next<object>() is not MeshReplica.Stopped)
        {
            // The replica continues.
        }
    }

    /// <summary>Begins a plan for all living replicas.</summary>
    public void Begin() => Begin(null, 0);

    /// <summary>Waits until all living replicas have applied the last round.</summary>
    public void Finish()
    {
        foreach (var replica in _living)
            while (replica.Applied < setup.Rounds.Count) replica.Next<Round>();
    }

    /// <summary>Ends all replicas, and fails if a buffer is not back in its pool.</summary>
    public void AssertNothingIsHeld()
    {
        foreach (var replica in _living) replica.Dispose();
        _living.Clear();
        foreach (var replica in _all) replica.Linked.Buffers.AssertAllReturned();
    }

    public void Dispose()
    {
        foreach (var replica in _living) replica.Dispose();
        foreach (var replica in _all) replica.Linked.Buffers.Dispose();
    }

    private bool Begin(MeshReplica? stopping, int after)
    {
        var generation = (_plan?.Generation ?? 0) + 1;
        foreach (var replica in _living) replica.Halt(generation);
        foreach (var replica in _living) Assert.Equal(generation, replica.Next<Halted>().Generation);
        var newest = _living.Max(replica => replica.Applied);
        foreach (var replica in _living.Where(replica => replica.Applied < newest))
        {
            replica.Restore(generation, newest);
            Assert.Equal(new(generation, newest), replica.Next<Synced>());
        }

        var order = _living.ToArray();
        new Random(seed + generation).Shuffle(order);
        var plan = _plan = new(generation, newest, setup.Rounds.Count, [.. order.Select(replica => replica.Name)], Topology.Mesh);
        var owed = stopping is null
            ? 0
            : Enumerable.Range((int)newest, (int)(plan.EndRound - newest))
                .Sum(round => plan.RangeOf(stopping.Name, plan.RoundAt(setup.Rounds, round).MicroBatches).Count);
        foreach (var replica in order)
            replica.Begin(plan, [.. order.Select(o => o.Linked.Endpoint)], replica == stopping && owed > 0 ? after % owed : int.MaxValue);
        return owed > 0;
    }

    private void Fail(Exception error)
    {
        foreach (var replica in _all.ToArray()) replica.Fail(error);
    }
}

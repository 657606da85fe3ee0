using Distributed.Core.Planning;
using Distributed.Hosting.Messages;

namespace Distributed.Worker.Tests.Links;

/// <summary>Replicas in a mesh, and what a coordinator does for them: halts, brings those behind up to the newest round, plans.</summary>
/// <param name="setup">How they exchange.</param>
/// <param name="seed">Decides the order of the workers in plans, and what they contribute where nothing else is given.</param>
/// <param name="mapping">What the replica of a number contributes; null for numbers that the seed decides.</param>
internal sealed class MeshCluster(ExchangeSetup setup, int seed, Func<int, IMapping>? mapping = null) : IDisposable
{
    private readonly List<MeshReplica> _all = [];
    private readonly List<MeshReplica> _living = [];
    private Plan? _plan;

    /// <summary>Everyone there ever was, in the order of coming.</summary>
    public IReadOnlyList<MeshReplica> All => _all;

    /// <summary>Those who are left.</summary>
    public IReadOnlyList<MeshReplica> Living => _living;

    public PlainSums Plain { get; } = new(seed, setup.Layout);

    public void Join(int count)
    {
        for (var i = 0; i < count; i++)
        {
            var replica = new MeshReplica($"worker-{_all.Count}", setup, mapping?.Invoke(_all.Count) ?? new PlainMapping(Plain, seed + _all.Count), Fail);
            _all.Add(replica);
            _living.Add(replica);
        }
    }

    public void Kill(MeshReplica replica)
    {
        replica.Dispose();
        _living.Remove(replica);
    }

    /// <summary>A plan for all who live. One of them stops in the middle of a round, unless it has nothing to compute, or too little.</summary>
    /// <param name="stopping">Who is waited for until it stops, or is at the end of the job.</param>
    /// <param name="after">Decides how many micro-batches it computes before.</param>
    public void BeginAndStop(MeshReplica stopping, int after)
    {
        if (!Begin(stopping, after)) return;
        while (stopping.Applied < setup.Rounds.Count && stopping.Next<object>() is not MeshReplica.Stopped)
        {
            // It goes on.
        }
    }

    /// <summary>A plan for all who live.</summary>
    public void Begin() => Begin(null, 0);

    /// <summary>Waits until all who live have applied the last round.</summary>
    public void Finish()
    {
        foreach (var replica in _living)
            while (replica.Applied < setup.Rounds.Count) replica.Next<Round>();
    }

    /// <summary>Ends all, and fails if a buffer of one is not back in its pool.</summary>
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
        var owed = stopping is null ? 0 : Enumerable.Range((int)newest, (int)(plan.EndRound - newest))
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

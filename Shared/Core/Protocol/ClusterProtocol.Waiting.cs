using System.Collections.Immutable;

namespace Distributed.Core.Protocol;

/// <summary>Which workers the cluster waits for, and when it would wait in vain.</summary>
internal sealed partial record ClusterProtocol
{
    /// <summary>The local workers that are left, once one has ended that is not started again; null before.</summary>
    public ClusterEvent.Supply? Supply { get; init; }

    /// <summary>Whether it was announced that <see cref="AwaitsLastHolder"/>.</summary>
    public bool IsLastHolderAnnounced { get; init; }

    /// <summary>
    /// Whether only workers that have not answered yet hold the newest parameters: without them, more than one round would have to be
    /// redone, or the parameters would be lost.
    /// </summary>
    public bool AwaitsLastHolder
    {
        get
        {
            if (Phase != ClusterPhase.Reconfiguring) return false;
            var (awaited, others, hasOthers) = (0L, Stored?.Applied ?? 0, false);
            foreach (var member in Members.Values)
            {
                if (member.Status == MemberStatus.Ready) awaited = Math.Max(awaited, member.Applied);
                else if (IsInPlay(member)) (others, hasOthers) = (Math.Max(others, member.Applied), true);
            }
            return awaited > (hasOthers ? others + 1 : 0);
        }
    }

    /// <summary>No worker is left.</summary>
    private (ClusterProtocol, ImmutableList<ClusterEffect>) Abandoned()
    {
        if (Starvation is { } starvation) return Stop(FailureCause.Starved, starvation);
        if (!IsOpen) return Reached > 0 ? Stop(FailureCause.AllLost, "all workers are gone, and with them the parameters") : (this, []);
        var next = Stored is { } stored ? $"goes on from the checkpoint of step {Rounds!.StepsBefore(stored.Applied)}"
            : Reached > 0 ? "begins again from the start, since there is no checkpoint"
            : "begins";
        return (this, [new ClusterEffect.Announce($"all workers are gone: waiting for at least {Needed}; training then {next}")]);
    }

    private (ClusterProtocol, ImmutableList<ClusterEffect>) Starve(ClusterEvent.Supply e)
    {
        if (IsStart) return Stop(FailureCause.LocalWorker, e.Why);
        return Phase == ClusterPhase.Gathering && Starvation is { } starvation ? Stop(FailureCause.Starved, starvation) : (this, []);
    }

    /// <summary>Why the cluster would wait for workers in vain, in a user's words; null where more may come.</summary>
    private string? Starvation
    {
        get
        {
            if (Supply is not { } supply || supply.Living.Union(Members.Keys).Count is var most && most >= Needed) return null;
            return most == 0
                ? $"all workers are gone, and with them the parameters: {supply.Why}"
                : $"{most} of at least {Needed} workers are left, and no other is started: {supply.Why}";
        }
    }
}

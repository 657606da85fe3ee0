using System.Collections.Immutable;

namespace Distributed.Core.Protocol;

/// <summary>For whom the cluster waits, and when it would wait in vain.</summary>
public sealed partial record ClusterProtocol
{
    /// <summary>The started workers that are left, once one of them has ended that is not started again; null before.</summary>
    public ClusterEvent.Supply? Supply { get; init; }

    /// <summary>Whether people have heard that the cluster waits for workers that alone hold the newest parameters, see <see cref="AwaitsLastHolder"/>.</summary>
    public bool IsLastHolderAnnounced { get; init; }

    /// <summary>
    /// Whether those that have yet to say how far they are hold what nobody else does: without them, more than one round would have
    /// to be done again, or the parameters would be gone.
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
    private (ClusterProtocol, ImmutableList<ClusterEffect>) Abandoned() => true switch
    {
        _ when Starvation is { } starvation => Stop(starvation),
        _ when !IsOpen => Reached > 0 ? Stop("all workers are gone, and with them the parameters") : (this, []),
        _ => (this, [new ClusterEffect.Announce($"all workers are gone: waiting for at least {Needed}; training then {(true switch
        {
            _ when Stored is { } stored => $"goes on from the checkpoint of step {Rounds!.StepsBefore(stored.Applied)}",
            _ when Reached > 0 => "begins again from the start, since there is no checkpoint",
            _ => "begins",
        })}")]),
    };

    private (ClusterProtocol, ImmutableList<ClusterEffect>) Starve() => Phase == ClusterPhase.Gathering && Starvation is { } starvation ? Stop(starvation) : (this, []);

    /// <summary>Why the cluster would wait for workers in vain, in a user's words; null where more may come.</summary>
    private string? Starvation => Supply is { } supply && supply.Living.Union(Members.Keys).Count is var most && most < Needed
        ? most == 0 ? $"all workers are gone, and with them the parameters: {supply.Why}" : $"{most} of at least {Needed} workers are left, and no other is started: {supply.Why}"
        : null;
}

using System.Collections.Immutable;

namespace Distributed.Core.Protocol;

/// <summary>How the cluster goes on without a worker or a link.</summary>
internal sealed partial record ClusterProtocol
{
    /// <summary>No worker has computed yet, or all that began are gone without a result: there is nothing to save by going on.</summary>
    private bool IsStart => Generation == 0 || (Members.IsEmpty && Reached == 0);

    /// <summary>
    /// Timed out. Evicts workers that did not answer the halt. If the stall was during a round or a state transfer, the culprit is
    /// unknown: halts every worker to see which one does not answer.
    /// </summary>
    private (ClusterProtocol, ImmutableList<ClusterEffect>) Expire(string why)
    {
        if (Phase == ClusterPhase.Collecting) return Evict(Donor!, RefusalCause.ResultMissing, $"the result did not come: {why}");
        if (Phase is ClusterPhase.Gathering or ClusterPhase.Saving) return (this, []);
        var silent = Members.Values.Where(m => m.Status == MemberStatus.Ready).Select(m => m.Id).ToList();
        if (silent.Count == 0) return Reconfigure(GenerationCause.Silence, why);
        if (AwaitsLastHolder && !IsLastHolderAnnounced)
        {
            return (this with { IsLastHolderAnnounced = true }, [new ClusterEffect.Announce(
                $"{string.Join(", ", silent)} did not answer ({why}), but no other worker holds the newest parameters: "
                + $"waiting for another {ProgressWatch.LastHolderTimeout.TotalSeconds:0} s")]);
        }
        var (next, effects) = silent.Aggregate(this, (rest, worker) => rest.Without(worker))
            .Reconfigure(GenerationCause.Silence, $"{string.Join(", ", silent)} did not answer: {why}");
        var refusals = silent.Select(worker => new ClusterEffect.Refuse(worker, RefusalCause.NoAnswer, $"it did not answer: {why}"));
        return (next, effects.InsertRange(0, refusals));
    }

    private (ClusterProtocol, ImmutableList<ClusterEffect>) Lose(ClusterEvent.Lost e)
    {
        if (!Members.TryGetValue(e.Worker, out var lost)) return (this, []);
        var rest = Without(e.Worker);
        if (e.IsOwnFailure && rest.IsStart) return rest.Stop(FailureCause.LocalWorker, $"{e.Worker} failed: {e.Why}");
        var announcement = new ClusterEffect.Announce($"{e.Worker} is lost: {e.Why}", e.Worker);
        return lost.Status == MemberStatus.Preparing
            ? (rest, [announcement])
            : GoOnWithout(e.Worker, GenerationCause.Lost, "was lost", announcement);
    }

    private (ClusterProtocol, ImmutableList<ClusterEffect>) GoOnWithout(
        string worker, GenerationCause cause, string what, ClusterEffect first)
    {
        var rest = Without(worker);
        var (next, effects) = Phase switch
        {
            ClusterPhase.Collecting when worker == Donor => rest.Finishing(),
            ClusterPhase.Training or ClusterPhase.Reconfiguring => rest.Reconfigure(cause, $"{worker} {what}"),
            ClusterPhase.Gathering when rest.InPlay == 0 && rest.Generation > 0 => rest.Abandoned(),
            _ => (rest, []),
        };
        return (next, effects.Insert(0, first));
    }

    private (ClusterProtocol, ImmutableList<ClusterEffect>) LosePeer(ClusterEvent.PeerLost e)
    {
        // Both ends report a broken link; by the second report the generation is older.
        if (Phase != ClusterPhase.Training || e.Generation != Generation || e.Worker == e.Peer) return (this, []);
        if (!IsActive(e.Worker) || !IsActive(e.Peer)) return (this, []);
        var before = BreaksAt(Members.Values.Max(m => m.Applied));
        var pair = string.CompareOrdinal(e.Worker, e.Peer) < 0 ? (e.Worker, e.Peer) : (e.Peer, e.Worker);
        var times = before.GetValueOrDefault(pair) + 1;
        var broken = this with { BrokenLinks = before.SetItem(pair, times) };
        return times < MaxBreaks
            ? broken.Reconfigure(GenerationCause.Link, $"the link between {e.Worker} and {e.Peer} broke: {e.Why}")
            : broken.Evict(e.Peer, RefusalCause.Unreachable, $"{e.Worker} cannot reach it over its link: {e.Why}");
    }

    /// <summary>
    /// <see cref="BrokenLinks"/> without those that a round went over under the last plan. A worker that was evicted for a link and comes
    /// back is evicted at once when the link breaks again.
    /// </summary>
    private ImmutableDictionary<(string, string), int> BreaksAt(long applied)
    {
        if (BrokenLinks.IsEmpty || Plan is not { } plan || applied <= plan.FirstRound) return BrokenLinks;
        return BrokenLinks.RemoveRange(BrokenLinks.Keys.Where(pair => plan.Includes(pair.Item1) && plan.Includes(pair.Item2)));
    }

    private (ClusterProtocol, ImmutableList<ClusterEffect>) Evict(string worker, RefusalCause cause, string reason)
    {
        if (!Members.ContainsKey(worker)) return (this, []);
        return GoOnWithout(worker, GenerationCause.Refused, "was turned away", new ClusterEffect.Refuse(worker, cause, reason));
    }

    private (ClusterProtocol, ImmutableList<ClusterEffect>) Leave(string worker, string why)
    {
        if (!Members.TryGetValue(worker, out var member)) return (this, []);
        if (member.Leaving) return (this, Phase == ClusterPhase.Gathering ? [new ClusterEffect.HoldBack(worker)] : []);
        var isNeeded = member.Applied > 0 && !Members.Values.Any(m => m.Id != worker && !m.Leaving && m.Applied >= member.Applied);
        if (member.Status == MemberStatus.Preparing || (Phase == ClusterPhase.Gathering && !isNeeded))
            return (Without(worker), [new ClusterEffect.Dismiss(worker)]);
        var leaving = With(member with { Leaving = true });
        return Phase switch
        {
            ClusterPhase.Training => leaving.Reconfigure(GenerationCause.Left, $"{worker} leaves: {why}"),
            ClusterPhase.Gathering when InPlay > 1 => leaving.Reconfigure(GenerationCause.Left, $"{worker} leaves: {why}"),
            ClusterPhase.Gathering => (leaving, [new ClusterEffect.HoldBack(worker)]),
            _ => (leaving, []),
        };
    }
}

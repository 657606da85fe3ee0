using System.Net;
using Akka.Actor;
using Distributed.Hosting.Status;

namespace Distributed.Coordinator.Cluster;

internal enum DrainResult
{
    Left,
    HeldBack, // It stays until another worker has the parameters, then leaves.
    Unknown,
    Failed, // The worker was lost, or the job failed, before the worker could leave.
}

internal sealed record DrainOutcome(DrainResult Result, string Text);

/// <summary><c>POST /drain?worker=NAME</c> of the coordinator's status server: answers when the worker has left or cannot leave.</summary>
internal static class DrainRequest
{
    public const string Path = "/drain";
    public const string Worker = "worker";
    public const HttpStatusCode HeldBack = HttpStatusCode.Accepted;

    public static StatusCommand For(byte[] token, Func<IActorRef> coordinator, Action refused)
    {
        return new(Path, Worker, token, AnswerAsync, refused);

        async Task<StatusAnswer> AnswerAsync(string worker, CancellationToken cancel)
        {
            if (coordinator().IsNobody())
                return new((int)HttpStatusCode.ServiceUnavailable, "the coordinator is about to start: try again");
            TaskCompletionSource<DrainOutcome> outcome = new(TaskCreationOptions.RunContinuationsAsynchronously);
            coordinator().Tell(new CoordinatorNotice.Drain(worker, outcome));
            var (result, text) = await outcome.Task.WaitAsync(cancel).ConfigureAwait(false);
            return new((int)StatusOf(result), text);
        }
    }

    private static HttpStatusCode StatusOf(DrainResult result) => result switch
    {
        DrainResult.Left => HttpStatusCode.OK,
        DrainResult.HeldBack => HeldBack,
        DrainResult.Unknown => HttpStatusCode.NotFound,
        _ => HttpStatusCode.Conflict,
    };
}

/// <summary>The pending drain requests by worker. Used by one thread at a time.</summary>
internal sealed class Drains
{
    private readonly Dictionary<string, List<TaskCompletionSource<DrainOutcome>>> _waiting = new(StringComparer.Ordinal);

    public bool IsAsked(string worker) => _waiting.ContainsKey(worker);

    /// <summary>Adds a request, or answers it and returns false if there is no such worker.</summary>
    public bool Add(CoordinatorNotice.Drain drain, IReadOnlyCollection<string> present)
    {
        if (!present.Contains(drain.Worker))
        {
            var names = string.Join(", ", present.Order(StringComparer.Ordinal));
            var known = present.Count == 0 ? "no worker is connected" : $"there are {names}";
            drain.Outcome.TrySetResult(new(DrainResult.Unknown, $"there is no worker '{drain.Worker}'; {known}"));
            return false;
        }
        if (!_waiting.TryGetValue(drain.Worker, out var waiting)) _waiting[drain.Worker] = waiting = [];
        waiting.Add(drain.Outcome);
        return true;
    }

    public void Settle(string worker, DrainResult result, string text)
    {
        if (!_waiting.Remove(worker, out var waiting)) return;
        foreach (var outcome in waiting) outcome.TrySetResult(new(result, text));
    }

    public void SettleAll(DrainResult result, Func<string, string> textOf)
    {
        foreach (var worker in _waiting.Keys.ToList()) Settle(worker, result, textOf(worker));
    }
}

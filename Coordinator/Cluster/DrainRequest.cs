using System.Net;
using Akka.Actor;
using Distributed.Hosting.Status;

namespace Distributed.Coordinator.Cluster;

/// <summary>POST /drain?worker=NAME of the coordinator's status server: answers when the worker has left, or cannot.</summary>
internal static class DrainRequest
{
    public const string Path = "/drain";

    public const string Worker = "worker";

    /// <summary>That a worker stays until another has the parameters.</summary>
    public const HttpStatusCode HeldBack = HttpStatusCode.Accepted;

    /// <param name="coordinator">The coordinator's actor, as soon as there is one.</param>
    /// <param name="refused">Is told of each caller without the token.</param>
    public static StatusCommand For(byte[] token, Func<IActorRef> coordinator, Action refused) => new(Path, Worker, token, async (worker, cancel) =>
    {
        if (coordinator().IsNobody()) return new((int)HttpStatusCode.ServiceUnavailable, "the coordinator is about to start: try again");
        TaskCompletionSource<DrainOutcome> outcome = new(TaskCreationOptions.RunContinuationsAsynchronously);
        coordinator().Tell(new CoordinatorNotice.Drain(worker, outcome));
        var (result, text) = await outcome.Task.WaitAsync(cancel).ConfigureAwait(false);
        return new((int)StatusOf(result), text);
    }, refused);

    private static HttpStatusCode StatusOf(DrainResult result) => result switch
    {
        DrainResult.Left => HttpStatusCode.OK,
        DrainResult.HeldBack => HeldBack,
        DrainResult.Unknown => HttpStatusCode.NotFound,
        _ => HttpStatusCode.Conflict,
    };
}

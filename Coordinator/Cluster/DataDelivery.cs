using Akka.Actor;
using Akka.Event;
using Distributed.Coordinator.Runs;
using Distributed.Hosting.Messages;
using Distributed.Hosting.Metrics;
using Distributed.Jobs;

namespace Distributed.Coordinator.Cluster;

/// <summary>Answers workers that have not got the data. Used by the thread of the coordinator's actor, which hears as a notice what became of it.</summary>
/// <param name="desk">Finds and sends the data; null where there is none to send.</param>
/// <param name="log">For people: who asks for what.</param>
internal sealed class DataDelivery(DataDesk? desk, CoordinatorLinks star, RunRecorder recorder, TrainingMetrics metrics, ILoggingAdapter log, IActorRef coordinator)
{
    public void Offer(string worker, IActorRef there, FindData wanted)
    {
        if (desk is null)
        {
            coordinator.Tell(new CoordinatorNotice.DataNotFound(there, "it has no data"));
            return;
        }
        log.Info("{0} asks for the data: {1}", worker, Shown.InFull(wanted.Missing));
        desk.OfferAsync().PipeTo(coordinator,
            success: offer => new CoordinatorNotice.DataOffered(there, offer),
            failure: error => new CoordinatorNotice.DataNotFound(there, error.Message));
    }

    /// <returns>What is wrong with that, in a user's words; null if nothing is.</returns>
    public string? Send(string worker, IActorRef there, SendData wanted)
    {
        if (desk?.Offered(wanted.Key) is not { } offer) return "it asks for data that is not what it was offered";
        recorder.Happened(RunEventKind.Note, $"{worker} is sent the data, {offer.Bytes} bytes", worker);
        DataDesk.SendAsync(star, worker, offer, metrics.DataSent).PipeTo(coordinator, failure: error => new CoordinatorNotice.DataNotSent(there, error.Message));
        return null;
    }
}

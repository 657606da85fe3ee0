using System.Collections.Concurrent;
using System.Threading.Channels;
using Akka.Actor;
using Akka.Event;
using Distributed.Coordinator.Runs;
using Distributed.Core;
using Distributed.Core.Reduction;
using Distributed.Hosting.Messages;
using Distributed.Hosting.Metrics;
using Distributed.Jobs;
using Distributed.Jobs.Data;
using Distributed.Transport.Buffers;

namespace Distributed.Coordinator.Cluster;

// Finds the job's data when the first worker asks for it, and sends it in the background. A delivery keeps a few pieces in memory and
// reads further when the earlier ones have left.
internal sealed class DataSender(DataSpec data, DataOptions options)
{
    private const int PiecesAtOnce = 16;

    private readonly ConcurrentDictionary<string, DataOffer> _offered = new(StringComparer.Ordinal);
    private Task<DataOffer>? _offer;

    /// <summary>Searches again if the data was not found or has changed since. One caller at a time.</summary>
    public Task<DataOffer> OfferAsync()
    {
        if (_offer is { IsCompleted: false } running) return running;
        var former = _offer is { IsCompletedSuccessfully: true } made ? made.Result : null;
        return _offer = Task.Run(() =>
        {
            var offer = former?.IsCurrent() == true ? former
                : DataOffer.Find(data, options) ?? throw new DataException("the job's data has no files");
            return _offered[offer.Key] = offer;
        });
    }

    public DataOffer? Offered(string key) => _offered.GetValueOrDefault(key);

    public static Task SendAsync(CoordinatorLinks links, string worker, DataOffer offer, Action<int> sent) => Task.Run(async () =>
    {
        if (links.LinkOf(worker) is not { } link) return;
        var free = Channel.CreateUnbounded<Piece>();
        for (var i = 0; i < PiecesAtOnce; i++) free.Writer.TryWrite(new(free.Writer));
        using var reader = offer.Open();
        for (var offset = 0L; offset < offer.Length;)
        {
            var piece = await free.Reader.ReadAsync().ConfigureAwait(false);
            var bytes = piece.Fill(reader);
            if (!links.SendData(link, offset, bytes, piece)) return;
            sent(bytes.Length);
            offset += bytes.Length;
        }
    });

    // A buffer that is used again when its content has left.
    private sealed class Piece(ChannelWriter<Piece> free) : IFrameOwner
    {
        private readonly byte[] _bytes = GC.AllocateUninitializedArray<byte>(FrameHeader.MaxLength);

        public ReadOnlyMemory<byte> Fill(DataReader reader) => _bytes.AsMemory(0, reader.Fill(_bytes));

        public void Hold() { }

        public void Release() => free.TryWrite(this);
    }
}

// Answers workers that lack the data. Used by the thread of the coordinator's actor, which receives the outcome as a notice.
internal sealed class DataDelivery(
    DataSender? sender, CoordinatorLinks links, RunRecorder recorder, TrainingMetrics metrics, ILoggingAdapter log, IActorRef coordinator)
{
    public void Offer(string worker, IActorRef there, FindData wanted)
    {
        if (sender is null)
        {
            coordinator.Tell(new CoordinatorNotice.DataNotFound(there, "it has no data"));
            return;
        }
        log.Info("{0} asks for the data: {1}", worker, Shown.InFull(wanted.Missing));
        sender.OfferAsync().PipeTo(coordinator,
            success: offer => new CoordinatorNotice.DataOffered(there, offer),
            failure: error => new CoordinatorNotice.DataNotFound(there, error.Message));
    }

    public string? Send(string worker, IActorRef there, SendData wanted)
    {
        if (sender?.Offered(wanted.Key) is not { } offer) return "it asks for data that is not what it was offered";
        recorder.Happened(RunEventKind.Note, $"{worker} is sent the data, {offer.Bytes} bytes", worker);
        DataSender.SendAsync(links, worker, offer, metrics.DataSent)
            .PipeTo(coordinator, failure: error => new CoordinatorNotice.DataNotSent(there, error.Message));
        return null;
    }
}

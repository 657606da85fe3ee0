using System.Collections.Concurrent;
using System.Threading.Channels;
using Distributed.Core;
using Distributed.Core.Reduction;
using Distributed.Jobs;
using Distributed.Jobs.Data;
using Distributed.Transport.Buffers;

namespace Distributed.Coordinator.Cluster;

/// <summary>
/// Has the job's data looked for when the first worker asks for it, and sends it, beside whoever asks. A few pieces of a
/// delivery are in memory at a time, and a file is read when those before it have left.
/// </summary>
/// <param name="options">Where it is looked for.</param>
internal sealed class DataDesk(DataSpec data, DataOptions options)
{
    private const int PiecesAtOnce = 16;

    private readonly ConcurrentDictionary<string, DataOffer> _offered = new(StringComparer.Ordinal);
    private Task<DataOffer>? _offer;

    /// <summary>What can be sent: looked for anew where it was not found, or was changed since. One caller at a time.</summary>
    /// <exception cref="DataException">Nothing can.</exception>
    public Task<DataOffer> OfferAsync()
    {
        if (_offer is { IsCompleted: false } running) return running;
        var former = _offer is { IsCompletedSuccessfully: true } made ? made.Result : null;
        return _offer = Task.Run(() =>
        {
            var offer = former?.IsCurrent() == true ? former : DataOffer.Find(data, options) ?? throw new DataException("the job's data has no files");
            return _offered[offer.Key] = offer;
        });
    }

    /// <summary>What was offered under a key; null where nothing was.</summary>
    public DataOffer? Offered(string key) => _offered.GetValueOrDefault(key);

    /// <param name="sent">Is told of each piece that is queued, by its bytes.</param>
    /// <returns>Done when all of it is queued, or the link is closed.</returns>
    /// <exception cref="DataException">A file cannot be read any more.</exception>
    public static Task SendAsync(CoordinatorLinks star, string worker, DataOffer offer, Action<int> sent) => Task.Run(async () =>
    {
        if (star.LinkOf(worker) is not { } link) return;
        var free = Channel.CreateUnbounded<Piece>();
        for (var i = 0; i < PiecesAtOnce; i++) free.Writer.TryWrite(new(free.Writer));
        using var reader = offer.Open();
        for (var offset = 0L; offset < offer.Length;)
        {
            var piece = await free.Reader.ReadAsync().ConfigureAwait(false);
            var bytes = piece.Fill(reader);
            if (!star.SendData(link, offset, bytes, piece)) return;
            sent(bytes.Length);
            offset += bytes.Length;
        }
    });

    /// <summary>Memory that is used again when what it held has left.</summary>
    private sealed class Piece(ChannelWriter<Piece> free) : IFrameOwner
    {
        private readonly byte[] _bytes = GC.AllocateUninitializedArray<byte>(FrameHeader.MaxLength);

        public ReadOnlyMemory<byte> Fill(DataReader reader) => _bytes.AsMemory(0, reader.Fill(_bytes));

        public void Hold() { }

        public void Release() => free.TryWrite(this);
    }
}

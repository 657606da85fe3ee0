using Distributed.Core;
using Distributed.Hosting.Messages;
using Distributed.Hosting.Metrics;
using Distributed.Jobs;
using Distributed.Jobs.Data;
using Distributed.Transport.Pipes;

namespace Distributed.Worker.Cluster;

/// <summary>Receives a job's data from the coordinator, unless the cache of this machine has it.</summary>
internal sealed class DataFetch(Job job, Welcome welcome, WorkerOptions options, LinkMetrics metrics)
{
    /// <param name="found">What the coordinator offers.</param>
    /// <param name="request">Asks the coordinator to send; called once the link stands.</param>
    /// <returns>Where the data is, and the link it came over, if any.</returns>
    /// <exception cref="DataException">The offer is malformed or too large.</exception>
    /// <exception cref="LinkException">The link broke.</exception>
    public async Task<(DataOptions Data, DeliveredLink? Link)> RunAsync(DataFound found, Action request, CancellationToken cancellation)
    {
        if (!DataManifest.IsKey(found.Key) || found.ManifestBytes is < 1 or > DataManifest.MaxLength || found.Bytes < 0)
        {
            throw new DataException(
                $"the coordinator offers malformed data: {found.Bytes} bytes and a manifest of {found.ManifestBytes} bytes");
        }
        var cache = new DeliveryCache(options.Data.DeliveryDirectory);
        if (await Task.Run(() => cache.Find(found.Key), cancellation) is { } folder) return (In(folder), null);
        if (found.Bytes > options.Data.DeliveryLimit)
        {
            throw new DataException(
                $"the data is not on this machine, and the coordinator would send {found.Bytes} bytes; "
                + $"allowed are {options.Data.DeliveryLimit}. Allow more with --data-limit, or copy the data to this machine");
        }
        using var writer = cache.Begin(found.Key, found.ManifestBytes, found.Bytes);
        var identity = LinkSetup.IdentityOf(welcome, job);
        var pipe = await LinkHandshake.ConnectAsync(welcome.LinkHost, welcome.LinkPort, identity, options.Links, cancellation);
        using var link = new DeliveryLink(identity.Job, pipe, writer, welcome.InitialBytes, metrics);
        request();
        return (In(cache.FolderOf(found.Key)), await link.CompleteAsync(cancellation));

        DataOptions In(string folder) => options.Data with { Delivered = DataParts.In(folder, job.Data) };
    }
}

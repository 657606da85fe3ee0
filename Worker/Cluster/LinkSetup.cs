using Distributed.Core.Protocol;
using Distributed.Hosting.Messages;
using Distributed.Hosting.Metrics;
using Distributed.Hosting.Processes;
using Distributed.Jobs;
using Distributed.Jobs.Runs;
using Distributed.Transport.Pipes;
using Distributed.Worker.Training;
using Microsoft.Extensions.Logging;

namespace Distributed.Worker.Cluster;

/// <summary>Connects a prepared worker: listens for peers in a mesh, then connects to the coordinator.</summary>
internal sealed class LinkSetup(WorkerOptions options, Welcome welcome, LinkMetrics metrics, ILogger logger)
{
    public async Task<Connected> ConnectAsync(
        WorkerSession session, ReplicaNotice.Prepared prepared, DeliveredLink? delivered, CancellationToken cancellation)
    {
        var (job, facts) = (session.Job, prepared.Facts);
        var identity = IdentityOf(welcome, job);
        var links = new WorkerLinks(
            new(identity, session.RoundsOf(facts), prepared.Pool, facts.StateBytes, new(job.IsWireHalf), options.Links, metrics)
            {
                InitialBytes = welcome.InitialBytes,
            },
            session.Replica.Receive);
        LinkListener? listener = null;
        try
        {
            if (job.IsMesh)
            {
                var address = await ListenAddress.OfAsync(options.Bind ?? options.Host, cancellation);
                listener = new(
                    new(address, options.LinkPort), identity.Job, identity.Token, _ => true, links.Accept, metrics, logger, options.Links);
                facts = facts with { LinkHost = options.Host, LinkPort = listener.Port };
            }
            links.Connect(delivered?.Pipe ?? await ConnectAsync(session, cancellation));
            return new(links, listener, facts, prepared.Data, delivered?.Initial);
        }
        catch
        {
            listener?.Dispose();
            links.Dispose();
            delivered?.Dispose();
            throw;
        }
    }

    /// <summary>Connects to the coordinator alone.</summary>
    public Task<IFramePipe> ConnectAsync(WorkerSession session, CancellationToken cancellation) => LinkHandshake.ConnectAsync(
        welcome.LinkHost, welcome.LinkPort, IdentityOf(welcome, session.Job), options.Links, cancellation);

    /// <summary>What a worker that was welcomed proves itself with on its links.</summary>
    internal static LinkIdentity IdentityOf(Welcome welcome, Job job) => new(JobFile.Fingerprint(job), welcome.Token, welcome.Worker);

    /// <param name="Initial">The file with the initial parameters, where it came with the data.</param>
    internal sealed record Connected(WorkerLinks Links, LinkListener? Listener, WorkerFacts Facts, DataDescription Data, byte[]? Initial);
}

using System.CommandLine;
using Distributed.Coordinator.Cluster;
using Distributed.Hosting.Processes;
using Distributed.Hosting.Security;
using Distributed.Transport.Security;

namespace Distributed.Coordinator.Commands;

/// <summary>Makes a join token that several runs or machines share.</summary>
internal static class TokenCommand
{
    /// <summary>The command, for the command line.</summary>
    public static Command Create()
    {
        var file = new Argument<string>("FILE") { Description = "File that only the user may read." };
        var secret = new Option<string?>("--secret")
        {
            Description = "Name of a Secret of Kubernetes that holds the token, made where there is none: for an init container. The file is then written anew.",
        };
        var init = new Command("init", "Makes a join token for --token-file of a coordinator and of its workers. Copy the file to each machine, over a way that you trust. Example: token init cluster.token") { file, secret };
        init.SetAction((parsed, cancellation) => InitAsync(parsed.GetRequiredValue(file), parsed.GetValue(secret), cancellation));
        return new("token", "Join tokens for --token-file: a process takes part if it holds the token of the run.") { init };
    }

    private static async Task<int> InitAsync(string file, string? secret, CancellationToken cancellation)
    {
        try
        {
            if (secret is null)
            {
                JoinTokenFile.Write(file, JoinToken.Create());
                Console.WriteLine($"A join token is in {Path.GetFullPath(file)}");
                return 0;
            }
            using var cluster = ClusterSecret.Of(secret);
            var token = await cluster.GetOrCreateAsync(cancellation).ConfigureAwait(false);
            // The container may be started more than once.
            File.Delete(file);
            JoinTokenFile.Write(file, token);
            Console.WriteLine($"The join token of the Secret {secret} is in {Path.GetFullPath(file)}");
            return 0;
        }
        catch (Exception error) when (error is JoinTokenException or IOException or UnauthorizedAccessException)
        {
            return CommandLine.Fail(error is JoinTokenException ? 2 : 1, error.Message);
        }
    }
}

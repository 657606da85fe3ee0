using System.CommandLine;
using Distributed.Coordinator.Cluster;
using Distributed.Hosting.Security;
using Distributed.Transport.Security;

namespace Distributed.Coordinator.Commands;

internal static class TokenCommand
{
    public static Command Create()
    {
        var file = Declare.Argument<string>("FILE", ArgumentArity.ExactlyOne, "File to create, which only the user may read.");
        var secret = Declare.Text("--secret",
            "Name of a Kubernetes Secret that holds the token, created if it does not exist; FILE is overwritten. For an init container.");
        var init = Declare.Command("init",
            "Makes a join token for --token-file of a coordinator and its workers. Copy the file to each machine over a trusted channel. "
            + "Example: token init cluster.token",
            [file, secret],
            (parsed, cancellation) => InitAsync(parsed.GetRequiredValue(file), parsed.GetValue(secret), cancellation));
        return new("token", "Join tokens for --token-file: a process may join if it holds the token of the run.") { init };
    }

    private static async Task<int> InitAsync(string file, string? secret, CancellationToken cancellation)
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
}

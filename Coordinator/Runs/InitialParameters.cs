using Distributed.Core.Protocol;
using Distributed.Jobs.State;

namespace Distributed.Coordinator.Runs;

/// <summary>Parameters that training begins with instead of those drawn from the seed.</summary>
internal sealed record InitialParameters(ReadOnlyMemory<byte> File, bool IsStrict)
{
    public static InitialParameters Read(string path, bool isStrict)
    {
        try
        {
            var file = new FileInfo(path);
            if (!file.Exists)
                throw new RunFolderException($"'{path}' does not exist. Give a safetensors file, such as the model.safetensors of a run.");
            if (file.Length > WorkerFacts.MaxStateBytes)
                throw new RunFolderException($"'{path}' has {file.Length} bytes; at most {WorkerFacts.MaxStateBytes} are allowed.");
            var bytes = System.IO.File.ReadAllBytes(path);
            Safetensors.Read(bytes);
            return new(bytes, isStrict);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or SafetensorsException)
        {
            throw new RunFolderException($"'{path}' cannot be read: {error.Message}", error);
        }
    }
}

using System.Security.Cryptography;
using Distributed.Jobs.Runs;

namespace Distributed.Jobs;

/// <summary>The file of a job whose model is TorchScript. Its SHA-256 becomes part of the job when a run begins, so that every worker and
/// every later start of the run use the same file.</summary>
internal static class TorchScriptFile
{
    public const long MaxBytes = 1L << 30; // The file is read into one array.

    /// <summary>The job with the SHA-256 of its file. If it has one already, the file may be missing here: only workers read it.</summary>
    public static Job Resolve(Job job)
    {
        if (job.Model is not TorchScriptSpec script || (script.Sha256 is not null && !File.Exists(script.File))) return job;
        return job with { Model = script with { Sha256 = SumOf(Read(script)) } };
    }

    /// <summary>The job of a finished run, whose model is the file that the run has written: the same code, trained.</summary>
    public static Job OfRun(Job job, string runFolder)
    {
        var trained = Path.GetFullPath(Path.Combine(runFolder, RunFiles.TorchScript));
        return Resolve(job.Model is TorchScriptSpec script && File.Exists(trained)
            ? job with { Model = script with { File = trained, Sha256 = null } }
            : job);
    }

    public static byte[] Read(TorchScriptSpec script)
    {
        ArgumentNullException.ThrowIfNull(script);
        byte[] bytes;
        try
        {
            var file = new FileInfo(script.File);
            if (!file.Exists)
            {
                throw new JobException($"model.file is '{script.File}', which does not exist, seen from {Environment.CurrentDirectory}; "
                    + "allowed: the path of a TorchScript file, the same on every worker");
            }
            if (file.Length > MaxBytes)
                throw new JobException($"model.file is '{script.File}', which has {file.Length} bytes; allowed: at most {MaxBytes}");
            bytes = File.ReadAllBytes(script.File);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new JobException($"model.file is '{script.File}', which cannot be read: {error.Message}", error);
        }
        return script.Sha256 is { } expected && SumOf(bytes) is var found && found != expected
            ? throw new JobException(
                $"model.file is '{script.File}', whose SHA-256 is {found}; the job was begun with {expected}: copy that file here")
            : bytes;
    }

    private static string SumOf(byte[] bytes) => Convert.ToHexStringLower(SHA256.HashData(bytes));
}

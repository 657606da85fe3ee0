using Distributed.Jobs;
using Distributed.Worker.Abstractions;
using Distributed.Worker.Natives;
using static TorchSharp.torch;

namespace Distributed.Worker.Tasks;

/// <summary>Models that come as TorchScript: code and parameters in a file that Python has written. It runs what it says, as any program does.</summary>
internal static class TorchScript
{
    /// <summary>The model of a file, on the CPU.</summary>
    /// <exception cref="PluginException">The file is not there, not the job's, or no TorchScript.</exception>
    /// <exception cref="LibtorchException">This libtorch cannot run it the same way each time.</exception>
    public static jit.ScriptModule<Tensor, Tensor> Load(TorchScriptSpec spec)
    {
        ScriptExecution.KeepPlain();
        try
        {
            return jit.load<Tensor, Tensor>(TorchScriptFile.Read(spec), CPU);
        }
        catch (JobException error)
        {
            throw new PluginException(error.Message, error);
        }
        // TorchSharp throws what libtorch has said.
        catch (Exception error) when (error is not OutOfMemoryException)
        {
            throw new PluginException($"model.file is '{spec.File}', which is no TorchScript that this libtorch understands: {FirstLine(error)}; "
                + "allowed: what torch.jit.save has written", error);
        }
    }

    /// <summary>Writes a model as TorchScript, in evaluation mode. The file takes its place only when it is whole.</summary>
    /// <exception cref="IOException">It cannot be written.</exception>
    public static void Save(jit.ScriptModule model, string path)
    {
        ArgumentNullException.ThrowIfNull(model);
        var temporary = path + ".tmp";
        model.eval();
        try
        {
            jit.save(model, temporary);
        }
        catch (System.Runtime.InteropServices.ExternalException error)
        {
            throw new IOException($"'{path}' cannot be written: {FirstLine(error)}", error);
        }
        File.Move(temporary, path, overwrite: true);
    }

    private static string FirstLine(Exception error) => error.Message.Split('\n')[0].Trim().TrimEnd('.');
}
